// Deleting and moving: what was issued before is refused for good.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`deleting and moving on the ${which} server`, { which }, (stage, test) => {
    let account, role;
    let count = 0;

    test('there is an account', async () => {
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    });

    /** A user of the account and a client with its creds. */
    async function connected() {
      const user = await stage.createUser(`user-${(count += 1)}`, account, role);
      await stage.proven(account);
      return { user, creds: user.creds_file, client: await stage.connect(user.creds_file) };
    }

    test('a deleted user is cut off and its creds are refused for good', async () => {
      const { user, creds, client } = await connected();
      const since = performance.now();
      await stage.remove(user);
      await client.event('disconnect', { since });
      await stage.proven(account);
      await stage.assertRefused(creds);
      assert.equal((await stage.daemon.api('GET', `/api/v1/users/${user.id}/creds`)).status, 404);
      // The account is minted and pushed anew, and a user of the same name is another one.
      await stage.createUser(user.nats_username, account, role);
      await stage.change(account, { max_connections: 100 });
      await stage.change(role, { publish_permissions: ['data.>', 'more.>'] });
      await stage.proven(account);
      await stage.assertRefused(creds);
      await stage.change(account, { active: false });
      await stage.change(account, { active: true });
      await stage.proven(account);
      await stage.assertRefused(creds);
    });

    test('a deleted user that was suspended is refused for good', async () => {
      const { user, creds } = await connected();
      await stage.change(user, { active: false });
      await stage.remove(user);
      await stage.proven(account);
      await stage.assertRefused(creds);
    });

    test('creds from before a move to another role are refused, new ones work', async () => {
      const { user, creds, client } = await connected();
      const reader = await stage.createRole('reader', [], ['data.>']);
      const since = performance.now();
      const moved = await stage.change(user, { role_id: reader.id });
      await client.event('disconnect', { since });
      await stage.proven(account);
      await stage.assertRefused(creds);
      assert.notEqual(moved.creds_file, creds);
      assert.equal(await stage.creds(user), moved.creds_file);
      const again = await stage.connect(moved.creds_file);
      await again.isRefusedToPublish('data.x');
      await (await connected()).client.reaches(again, 'data.x');

      const back = await stage.change(user, { role_id: role.id });
      await stage.proven(account);
      await stage.assertRefused(creds);
      await stage.assertRefused(moved.creds_file);
      const third = await stage.connect(back.creds_file);
      await third.reaches(third, 'data.x');
    });

    test('creds from before a move to another account are refused, new ones work there', async () => {
      const { user, creds, client } = await connected();
      const other = await stage.createAccount('globex');
      const since = performance.now();
      const moved = await stage.change(user, { account_id: other.id });
      await client.event('disconnect', { since });
      await Promise.all([stage.proven(account), stage.proven(other)]);
      await stage.assertRefused(creds);
      const there = await stage.connect(moved.creds_file);
      await there.reaches(there, 'data.x');

      const back = await stage.change(user, { account_id: account.id });
      await Promise.all([stage.proven(account), stage.proven(other)]);
      await stage.assertRefused(creds);
      await stage.assertRefused(moved.creds_file);
      await stage.connect(back.creds_file);
      await stage.remove(other);
    });

    test('a role in use is not deleted; without users it is, and its key with it', async () => {
      const doomed = await stage.createRole('doomed', ['data.>'], ['data.>']);
      const user = await stage.createUser('doomed-user', account, doomed);
      await stage.proven(account);
      assert.equal((await stage.daemon.api('DELETE', `/api/collections/nats_roles/records/${doomed.id}`)).status, 400);
      await stage.remove(user);
      const before = (await stage.proven(account)).signing_keys;
      await stage.remove(doomed);
      const after = (await stage.proven(account)).signing_keys;
      assert.equal(after.length, before.length - 1);
      await stage.assertRefused(user.creds_file);
    });

    test('an account with users is not deleted; without, a tombstone is on the server', async () => {
      const doomed = await stage.createAccount('doomed');
      const user = await stage.createUser('last', doomed, role);
      await stage.proven(doomed);
      const client = await stage.connect(user.creds_file);
      const path = `/api/collections/nats_accounts/records/${doomed.id}`;
      const refused = await stage.daemon.api('DELETE', path);
      assert.equal(refused.status, 400);
      assert.match(refused.body.message, /1 user/);
      await client.reaches(client, 'data.x');

      await stage.remove(user);
      await stage.remove(doomed);
      assert.equal((await stage.daemon.api('GET', path)).status, 404);
      const [server] = stage.servers;
      const { nats } = await stage.storedClaims(server, doomed, ({ nats }) => nats.revocations?.['*'] > 0);
      // A limit of 0 is left out of the JSON.
      assert.deepEqual([nats.limits.conn ?? 0, nats.limits.leaf ?? 0], [0, 0]);
      assert.deepEqual(nats.signing_keys ?? [], []);
      await stage.assertRefused(user.creds_file);
    });
  });
}
