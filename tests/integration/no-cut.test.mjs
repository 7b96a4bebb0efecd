// Changes that must cut nobody: watchers of each kind stay connected through all of them, and where no claims change
// nothing is pushed. What those who stay lose or gain is in effects.test.mjs.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';
import { claimsOf } from './lib/claims.mjs';

const url = 'https://example.org/about';

for (const which of ['newest', 'oldest']) {
  onStage(`changes that cut nobody on the ${which} server`, { which }, (stage, test) => {
    let account, role, named, user, override, gaining, exporter, offered, heard, watchers;

    const pushes = () => heard.pushes.map((jwt) => claimsOf(jwt).sub).filter((key) => key === account.public_key);

    /** Of a user that may come and go. */
    const create = (name, fields) => stage.createUser(name, account, role, fields);

    test('clients of each kind are connected', async () => {
      account = await stage.createAccount('acme', { description: 'first', max_payload: 1000, max_connections: 100 });
      exporter = await stage.createAccount('exporter');
      role = await stage.createRole('sensor', ['data.>', 'hello'], ['data.>', '_INBOX.>'], {
        description: 'first', allow_response: true, publish_deny_permissions: ['data.a', 'data.b'],
      });
      named = await stage.createRole('named', ['data.{{name()}}.>'], ['data.{{tag(site)}}.>']);
      user = await stage.createUser('sensor-1', account, role);
      override = await stage.createUser('override', account, role, { publish_permissions: ['own.>'], max_subscriptions: 100 });
      gaining = await stage.createUser('gaining', account, role);
      const templated = await stage.createUser('templated', account, named, { tags: ['site:berlin'] });
      const bearer = await stage.createUser('bearer', account, role, { bearer_token: true });
      const importing = await stage.createUser('importing', account, role);
      const abroad = await stage.createUser('abroad', exporter, role);
      offered = await stage.create('nats_account_exports', {
        account_id: exporter.id, name: 'news', subject: 'news.>', type: 'stream', token_req: true,
      });
      await stage.create('nats_account_imports', {
        account_id: account.id, account: exporter.public_key, name: 'news', subject: 'news.>', type: 'stream',
      });
      heard = await stage.tap();
      await Promise.all([account, exporter].map((one) => stage.proven(one)));
      watchers = {};
      const kinds = { 'of a role': user, 'with overrides': override, 'that gets overrides': gaining, 'with templates': templated,
        'with a bearer JWT': bearer, 'that imports': importing, 'of another account with the role': abroad };
      for (const [kind, one] of Object.entries(kinds)) watchers[kind] = await stage.connect(one.creds_file);
      watchers['that imports'].nc.subscribe('data.news', { callback: () => {} });
      await assertAllThere();
    });

    /** A client that was cut would not get its answer, and would have noted it. */
    async function assertAllThere() {
      for (const [kind, client] of Object.entries(watchers)) {
        await client.nc.rtt();
        assert.deepEqual(client.events.filter(({ type }) => !['error', 'update'].includes(type)), [], `the client ${kind}`);
      }
    }

    const saved = async (record) => stage.change(record, await stage.read(record));
    const neverIssued = async (fields) =>
      stage.api('POST', '/api/collections/nats_users/records?fields=id,collectionName', {
        account_id: account.id, role_id: role.id, ...fields,
      });

    const silent = {
      'a role renamed': () => stage.change(role, { name: 'renamed' }),
      "a role's description": () => stage.change(role, { description: 'another one' }),
      'a role reordered': () => stage.change(role, {
        publish_permissions: ['hello', 'data.>'], publish_deny_permissions: ['data.b', 'data.a'],
      }),
      "a role's default lifetime": () => stage.change(role, { default_lifetime: 3600 }),
      'a role made the default': () => stage.change(role, { is_default: true }),
      'a role saved unchanged': () => saved(role),
      'an account saved unchanged': () => saved(account),
      'an export saved unchanged': () => saved(offered),
      'a user saved unchanged': () => saved(user),
      'a user with overrides saved unchanged': () => saved(override),
      'a role added': () => stage.createRole('unused', ['x'], ['x']),
      'a role removed that nobody has': async () => stage.remove(await stage.createRole('brief', ['x'], ['x'])),
      'a user added whose role is in use': () => create('added'),
      "a user's full name, description and e-mail": () => stage.change(user, {
        full_name: 'Sensor One', description: 'in the cellar', email: 'sensor@example.org', emailVisibility: true,
      }),
      "a user's password": () => stage.change(user, { password: 'a long password', passwordConfirm: 'a long password' }),
      'a user renamed whose role has no templates': () => stage.change(user, { nats_username: 'sensor-one' }),
      "a user's tags, whose role has no templates": () => stage.change(user, { tags: ['site:bonn'] }),
      'a user with overrides renamed': () => stage.change(override, { nats_username: 'overriding' }),
      'own permissions widened': () => stage.change(override, { publish_permissions: ['own.>', 'more.>'] }),
      'a user gets overrides that widen': () => stage.change(gaining, { publish_permissions: ['extra.>'] }),
      'jwt_expires_at set later': async () => {
        const later = await create('later', { jwt_expires_at: new Date(Date.now() + 3600_000).toISOString() });
        watchers['whose JWT expires'] ??= await stage.connect(later.creds_file);
        await stage.change(later, { jwt_expires_at: new Date(Date.now() + 7200_000).toISOString() });
      },
      'creds read': () => stage.creds(user),
      'a link to creds': () => stage.daemon.api('POST', `/api/v1/users/${user.id}/creds-link`, {}),
      'a user without creds made, suspended, revoked, deleted': async () => {
        const never = await neverIssued({ nats_username: 'never' });
        await stage.change(never, { active: false });
        await stage.api('PATCH', `/api/collections/nats_users/records/${never.id}?fields=id`, { revoke: true });
        await stage.remove(never);
      },
    };

    const pushed = {
      "an account's description": () => stage.change(account, { description: 'another one' }),
      "an account's tags": () => stage.change(account, { tags: ['tier:gold'] }),
      "an account's info_url": () => stage.change(account, { info_url: url }),
      "an account's name": () => stage.change(account, { name: 'acme-renamed' }),
      'raised limits': () => stage.change(account, { max_payload: 2000, max_connections: 200 }),
      'limits taken away': () => stage.change(account, { max_payload: -1, max_connections: -1 }),
      'limits that nobody reaches': () => stage.change(account, { max_connections: 50, max_leafnodes: 5, max_subscriptions: 5000 }),
      'an export added': () => stage.create('nats_account_exports', {
        account_id: account.id, name: 'own', subject: 'own.news', type: 'service',
      }),
      'an import added': async () => {
        await stage.create('nats_account_exports', { account_id: exporter.id, name: 'more', subject: 'more.news', type: 'stream' });
        await stage.create('nats_account_imports', {
          account_id: account.id, account: exporter.public_key, name: 'more', subject: 'more.news', type: 'stream',
        });
      },
      'a user added with a role that is new to the account': async () =>
        stage.createUser('first-of-its-role', account, await stage.createRole('new', ['n'], ['n'])),
      'a mapping': () => stage.change(account, { mappings: { 'orders.*': [{ subject: 'data.v2.$1', weight: 100 }] } }),
      'default permissions, which users of roles do not have': () => stage.change(account, { default_publish_permissions: ['none'] }),
      'a signing key added': () => stage.change(account, { add_signing_key: true }),
      'another user suspended and deleted': async () => {
        const victim = await create('victim');
        await stage.change(victim, { active: false });
        await stage.remove(victim);
      },
    };

    for (const [what, make] of Object.entries(silent)) {
      test(`${what}: nothing is pushed`, async () => {
        const { jwt, generation } = await stage.proven(account);
        heard.pushes.length = 0;
        await make();
        const now = await stage.proven(account);
        assert.equal(now.jwt, jwt);
        assert.ok(now.generation >= generation);
        await assertAllThere();
        assert.deepEqual(pushes(), []);
      });
    }

    for (const [what, make] of Object.entries(pushed)) {
      test(`${what}: pushed, and nobody is cut`, async () => {
        const { jwt } = await stage.proven(account);
        heard.pushes.length = 0;
        await make();
        const now = await stage.proven(account);
        assert.notEqual(now.jwt, jwt);
        assert.equal(await stage.servers[0].stored(account.public_key), now.jwt);
        await assertAllThere();
        assert.notEqual(pushes().length, 0);
      });
    }

    test('a change of the role cuts them, so the others would have been seen', async () => {
      const since = performance.now();
      await stage.change(role, { publish_permissions: ['data.>'] });
      for (const kind of ['of a role', 'that imports', 'of another account with the role', 'whose JWT expires']) {
        await watchers[kind].cutAndBack(since);
      }
      // What the role gave is inside their JWTs, which are dead.
      for (const kind of ['with overrides', 'that gets overrides', 'with a bearer JWT']) {
        await watchers[kind].event('disconnect', { since });
      }
      await stage.proven(account);
      await watchers['with templates'].nc.rtt();
      assert.equal(watchers['with templates'].count('disconnect'), 0);
    });
  });
}
