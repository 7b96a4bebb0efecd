// ?dry_run=1 tells what a write would change, whom it would cut off, and changes nothing.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`dry run on the ${which} server`, { which }, (stage, test) => {
    let account, other, role, users, clients;

    const path = ({ collectionName, id }) => `/api/collections/${collectionName}/records/${id}?dry_run=1`;
    const ask = (record, fields) => stage.api('PATCH', path(record), fields);

    /** Nothing that the write would change is another one afterwards, and nobody was cut. */
    async function changesNothing(body) {
      const state = async () => JSON.stringify(await Promise.all([account, other, role, ...users].map((record) => stage.read(record))));
      const before = await state();
      const disconnects = clients.map((client) => client.count('disconnect'));
      const answer = await body();
      assert.equal(await state(), before);
      assert.deepEqual(clients.map((client) => client.count('disconnect')), disconnects);
      assert.equal(answer.dry_run, true);
      return answer;
    }

    test('three clients of two accounts are connected', async () => {
      account = await stage.createAccount('acme');
      other = await stage.createAccount('other');
      role = await stage.createRole('sensor', ['data.>'], ['data.>', '_INBOX.>']);
      users = [
        await stage.createUser('one', account, role),
        await stage.createUser('two', account, role),
        await stage.createUser('three', other, role),
      ];
      await stage.proven(account);
      await stage.proven(other);
      clients = await Promise.all(users.map(async (user) => stage.connect(await stage.creds(user))));
      [account, other, role, ...users] = await Promise.all([account, other, role, ...users].map((record) => stage.read(record)));
    });

    test('a narrowed role: both accounts, all three clients', async () => {
      const answer = await changesNothing(() => ask(role, { publish_permissions: ['data.public'] }));
      assert.equal(answer.accounts_total, 2);
      assert.equal(answer.connections_cut, 3);
      for (const told of answer.accounts) {
        assert.equal(told.pushed, true);
        assert.equal(told.urgent, true);
        assert.deepEqual(told.claims_before.signing_keys.find(({ role: id }) => id === role.id).template.pub.allow, ['data.>']);
        assert.deepEqual(told.claims_after.signing_keys.find(({ role: id }) => id === role.id).template.pub.allow, ['data.public']);
        assert.equal(told.cuts.issuer_keys.length, 1);
      }
      assert.deepEqual(answer.accounts.map(({ name, connections_cut: cut }) => [name, cut]).sort(), [['acme', 2], ['other', 1]]);
    });

    test('a renamed role: nobody', async () => {
      const answer = await changesNothing(() => ask(role, { name: 'detector' }));
      assert.equal(answer.accounts_total, 0);
      assert.equal(answer.connections_cut, 0);
    });

    test('a suspended user: its own client', async () => {
      const answer = await changesNothing(() => ask(users[0], { active: false }));
      assert.deepEqual(answer.accounts.map(({ name }) => name), ['acme']);
      assert.deepEqual(answer.accounts[0].cuts.users, [users[0].public_key]);
      assert.equal(answer.connections_cut, 1);
    });

    test('a suspended account: its two clients', async () => {
      const answer = await changesNothing(() => ask(account, { active: false }));
      assert.equal(answer.accounts[0].cuts.everybody, true);
      assert.equal(answer.connections_cut, 2);
    });

    test('a lower limit of connections: the surplus', async () => {
      const answer = await changesNothing(() => ask(account, { max_connections: 1 }));
      assert.equal(answer.accounts[0].cuts.down_to_connections, 1);
      assert.equal(answer.connections_cut, 1);
    });

    test('creating and deleting: told as well', async () => {
      const collection = '/api/collections/nats_accounts/records';
      const created = await changesNothing(() => stage.api('POST', `${collection}?dry_run=true`, { name: 'new' }));
      assert.equal(created.accounts[0].claims_before, null);
      assert.equal(created.connections_cut, 0);
      assert.equal((await stage.accounts()).some(({ name }) => name === 'new'), false);
      const deleted = await changesNothing(() => stage.api('DELETE', path(users[1])));
      assert.equal(deleted.connections_cut, 1);
    });

    test('the verbs of keys and exports: told as well', async () => {
      const offer = await stage.create('nats_account_exports', {
        account_id: account.id, name: 'offer', subject: 'offer.>', type: 'stream', token_req: true,
      });
      await stage.proven(account);
      const revoked = await changesNothing(() => stage.api('POST', `/api/v1/exports/${offer.id}/revoke?dry_run=1`, { account: '*' }));
      assert.deepEqual(revoked.accounts.map(({ name, pushed, urgent }) => [name, pushed, urgent]), [['acme', true, true]]);
      assert.deepEqual((await stage.read(offer)).revocations, {});
      const [old] = account.signing_keys;
      await stage.change(account, { add_signing_key: true });
      account = await stage.proven(account);
      const gone = await changesNothing(() => stage.api('POST', `/api/v1/accounts/${account.id}/signing-keys/${old}/retire?dry_run=1`, {}));
      assert.equal(gone.connections_cut, 2);
      assert.ok((await stage.read(account)).signing_keys.includes(old));
    });

    test('a write that cannot be asked beforehand is not made by who asks', async () => {
      const { status, body } = await stage.daemon.api('POST', `/api/v1/users/${users[0].id}/creds-link?dry_run=1`, {});
      assert.equal(status, 400);
      assert.match(body.detail, /cannot be asked beforehand/);
      const misspelt = await stage.daemon.api('PATCH', path(account).replace('dry_run', 'dryrun'), { max_connections: 5 });
      assert.equal(misspelt.status, 400);
      assert.match(misspelt.body.message, /Unknown query parameter "dryrun"/);
      assert.equal((await stage.read(account)).max_connections, -1);
    });

    test('what would be refused is refused', async () => {
      const { status, body } = await stage.daemon.api('PATCH', path(account), { name: 'other' });
      assert.equal(status, 400);
      assert.equal(body.data.name.code, 'validation_not_unique');
      const odd = await stage.daemon.api('PATCH', path(account).replace('=1', '=maybe'), {});
      assert.equal(odd.status, 400);
      assert.match(odd.body.message, /"dry_run" must be 1 or 0/);
    });

    test('what was told comes true', async () => {
      await stage.change(users[0], { active: false });
      await clients[0].event('disconnect');
      assert.equal(clients[1].count('disconnect') + clients[2].count('disconnect'), 0);
    });
  });
}
