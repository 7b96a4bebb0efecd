// Templates in roles: the server fills them in for each client, with what is its own and nothing else.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';

const ask = '$SYS.REQ.USER.INFO';

for (const which of ['newest', 'oldest']) {
  onStage(`templates on the ${which} server`, { which }, (stage, test) => {
    let accounts, role;
    const users = [];

    /** What the server says that the client may do. */
    async function permissions(client) {
      const answer = await client.nc.request(ask, '', { timeout: 5000 });
      return answer.json().data.permissions;
    }

    /** The subjects of the client's permissions to publish, without the one that asks. */
    async function publishes(client) {
      return (await permissions(client)).publish.allow.filter((subject) => subject !== ask).sort();
    }

    /** Sets the role's lists; answers with what each of the users may publish then. */
    async function withSubjects(publish, fields = {}) {
      await stage.change(role, { publish_permissions: [ask, ...publish], publish_deny_permissions: [], ...fields });
      for (const account of accounts) await stage.proven(account);
      const found = [];
      for (const user of users) {
        const client = await stage.connect(await stage.creds(user));
        found.push(await publishes(client));
        await client.close();
      }
      return found;
    }

    test('two users in each of two accounts', async () => {
      accounts = [await stage.createAccount('acme', { tags: ['site:north', 'site:south'] }), await stage.createAccount('beta', { tags: ['site:west'] })];
      role = await stage.createRole('device', [ask], ['_INBOX.>']);
      for (const [index, account] of accounts.entries()) {
        for (const name of ['one', 'two']) users.push(await stage.createUser(`${name}-${index}`, account, role, { tags: [`kind:${name}`, `kind:any`, 'plain'] }));
      }
    });

    const cases = {
      '{{name()}}': (user) => [`own.${user.nats_username}`],
      '{{subject()}}': (user) => [`own.${user.public_key}`],
      '{{account-name()}}': (user, account) => [`own.${account.name}`],
      '{{account-subject()}}': (user, account) => [`own.${account.public_key}`],
      '{{tag(kind)}}': (user) => [`own.${user.nats_username.slice(0, 3)}`, 'own.any'],
      '{{tag(other)}}': () => [],
      '{{account-tag(site)}}': (user, account) => account.tags.map((tag) => `own.${tag.slice(5)}`),
    };
    for (const [template, expected] of Object.entries(cases)) {
      test(`${template} is each one's own`, async () => {
        const found = await withSubjects([`own.${template}`]);
        users.forEach((user, index) => {
          const account = accounts.find(({ id }) => id === user.account_id);
          assert.deepEqual(found[index], expected(user, account).sort(), user.nats_username);
        });
      });
    }

    test('a client reaches its own subject and no other', async () => {
      await withSubjects(['to.{{name()}}.>'], { subscribe_permissions: ['_INBOX.>', 'to.>'] });
      const [one, two] = [await stage.connect(await stage.creds(users[0])), await stage.connect(await stage.creds(users[1]))];
      await one.reaches(two, `to.${users[0].nats_username}.x`);
      await one.isRefusedToPublish(`to.${users[1].nats_username}.x`);
    });

    test('a template that is denied takes away only what is its own', async () => {
      await withSubjects(['to.>'], { publish_deny_permissions: ['to.{{name()}}'] });
      const client = await stage.connect(await stage.creds(users[0]));
      assert.deepEqual((await permissions(client)).publish.deny, [`to.${users[0].nats_username}`]);
      await client.isRefusedToPublish(`to.${users[0].nats_username}`);
    });

    test('names that would mean something in a subject are refused', async () => {
      const refused = async (method, path, fields, field) => {
        const { status, body } = await stage.daemon.api(method, path, fields);
        assert.equal(status, 400);
        assert.ok(body.data[field], JSON.stringify(body));
      };
      const other = await stage.createRole('other', [ask], ['_INBOX.>']);
      await stage.createUser('a.b', accounts[0], other);
      await refused('PATCH', `/api/collections/nats_roles/records/${other.id}`, { publish_permissions: ['x.{{name()}}'] }, 'publish_permissions');
      await refused('POST', '/api/collections/nats_users/records', { nats_username: 'a.*', account_id: accounts[0].id, role_id: role.id }, 'nats_username');
      await refused('PATCH', `/api/collections/nats_users/records/${users[0].id}`, { nats_username: '>' }, 'nats_username');
      await stage.change(role, { publish_permissions: ['{{account-name()}}'] , publish_deny_permissions: [] });
      await refused('PATCH', `/api/collections/nats_accounts/records/${accounts[0].id}`, { name: 'acme.>' }, 'name');
      assert.equal((await stage.read(accounts[0])).name, 'acme');
    });
  });
}
