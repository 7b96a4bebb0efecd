// What takes effect on live connections, and how soon: the milliseconds from the API's answer to the effect are
// printed. Changes that must cut nobody are in no-cut.test.mjs.
import assert from 'node:assert/strict';
import './lib/ed25519.mjs';
import { onStage } from './lib/stage.mjs';
import { until } from './lib/processes.mjs';
import { claimsOf } from './lib/claims.mjs';

const jwtOf = (creds) => /^(eyJ\S+)$/m.exec(creds)[1];

for (const which of ['newest', 'oldest']) {
  onStage(`effects on the ${which} server`, { which }, (stage, test, together) => {
    let worlds = 0;

    /** An account of its own: a user who is connected, and another one of another role whom nothing may cut. */
    async function makeWorld({ role: roleFields, user: userFields } = {}) {
      const n = (worlds += 1);
      const account = await stage.createAccount(`account-${n}`);
      const role = await stage.createRole(`role-${n}`, ['data.>'], ['data.>', '_INBOX.>'], roleFields);
      const otherRole = await stage.createRole(`other-${n}`, ['data.>'], ['data.>']);
      const user = await stage.createUser('user', account, role, userFields);
      const other = await stage.createUser('other', account, otherRole);
      await stage.proven(account);
      const creds = user.creds_file;
      const [client, bystander] = [await stage.connect(creds), await stage.connect(other.creds_file)];
      await client.reaches(bystander, 'data.hello');
      return { account, role, otherRole, user, other, creds, otherCreds: other.creds_file, client, bystander };
    }

    /** Makes the change; effect(since) gives the event to wait for. Prints how long after the answer it came. */
    async function effectOf(t, what, change, effect) {
      const since = performance.now();
      const answer = await change();
      const answered = performance.now();
      const { at = performance.now() } = (await effect(since)) ?? {};
      t.diagnostic(`${what}: ${Math.round(at - answered)} ms after the answer`);
      return answer;
    }

    const cut = (client) => (since) => client.event('disconnect', { since });
    const back = (client) => async (since) => {
      await client.event('disconnect', { since });
      return client.event('reconnect', { since });
    };

    const assertLeftAlone = async (client) => {
      await client.nc.flush();
      assert.equal(client.count('disconnect'), 0);
    };

    /** They connect and work; {client} */
    async function assertWorks(creds, to) {
      const client = await stage.connect(creds);
      await client.reaches(to ?? client, 'data.again');
      return client;
    }

    /** The user is cut, its old creds are dead, those that it has now work, and the other one has seen nothing of it. */
    async function assertReplaced(t, what, world, change) {
      const answer = await effectOf(t, what, change, cut(world.client));
      await stage.proven(world.account);
      await stage.assertRefused(world.creds);
      const creds = await stage.creds(world.user);
      const { sub, iat } = claimsOf(jwtOf(creds));
      assert.ok(iat > claimsOf(jwtOf(world.creds)).iat);
      await assertWorks(creds, world.bystander);
      await assertLeftAlone(world.bystander);
      return { answer, creds, key: sub };
    }

    together('each in an account of its own', () => {
      test('a role narrowed', async (t) => {
        const { account, role, client, bystander, creds } = await makeWorld();
        const fields = { publish_permissions: ['data.public'] };
        await effectOf(t, 'role narrowed, client back with it', () => stage.change(role, fields), back(client));
        await client.isRefusedToPublish('data.secret');
        await client.reaches(bystander, 'data.public');
        await stage.proven(account);
        await (await stage.connect(creds)).isRefusedToPublish('data.secret');
        await assertLeftAlone(bystander);
      });

      test('a role widened', async (t) => {
        const { role, client, bystander } = await makeWorld();
        await client.isRefusedToPublish('more.x');
        const fields = { publish_permissions: ['data.>', 'more.>'], subscribe_permissions: ['data.>', 'more.>'] };
        await effectOf(t, 'role widened, client back with it', () => stage.change(role, fields), back(client));
        await client.reaches(client, 'more.x');
        await assertLeftAlone(bystander);
      });

      test("an account's max_connections cut", async (t) => {
        const { account, client, bystander, creds } = await makeWorld();
        const third = await stage.connect(creds);
        const clients = [client, bystander, third];
        const cuts = () => clients.filter((one) => one.count('disconnect') > 0).length;
        await effectOf(t, 'max_connections from -1 to 1, two of three cut', () => stage.change(account, { max_connections: 1 }),
          () => until('two are cut', () => cuts() >= 2).then(() => undefined));
        await stage.proven(account);
        await Promise.all(clients.map((one) => one.close()));
      });

      test("a role's max_subscriptions cut", async (t) => {
        const { account, role, client, bystander } = await makeWorld();
        for (let i = 0; i < 3; i += 1) client.nc.subscribe(`data.${i}`, { callback: () => {} });
        await client.nc.flush();
        const isTooMany = ({ error }) => /maximum subscriptions/i.test(error.message);
        await effectOf(t, "a role's max_subscriptions from -1 to 1, the second refused",
          () => stage.change(role, { max_subscriptions: 1 }),
          (since) => client.event('error', { since, fits: isTooMany }));
        await stage.proven(account);
        await assertLeftAlone(bystander);
        await client.close();
      });

      test('a user revoked', async (t) => {
        const world = await makeWorld();
        const { answer, creds, key } = await assertReplaced(t, 'revoked', world, () => stage.change(world.user, { revoke: true }));
        assert.notEqual(key, world.user.public_key);
        assert.equal(answer.public_key, key);
        assert.equal(answer.creds_file, creds);
      });

      test('a user regenerated', async (t) => {
        const world = await makeWorld();
        const { answer, creds, key } = await assertReplaced(t, 'regenerated', world,
          () => stage.change(world.user, { regenerate: true }));
        assert.equal(key, world.user.public_key);
        assert.equal(answer.creds_file, creds);
      });

      test('keys rotated: all are out, creds that are read afterwards work', async (t) => {
        const { account, user, other, client, bystander, creds, otherCreds } = await makeWorld();
        await effectOf(t, 'rotate_keys, both cut', () => stage.change(account, { rotate_keys: true }),
          async (since) => (await Promise.all([client, bystander].map((one) => cut(one)(since)))).at(-1));
        await stage.proven(account);
        for (const old of [creds, otherCreds]) await stage.assertRefused(old);
        await assertWorks(await stage.creds(user), await stage.connect(await stage.creds(other)));
      });

      test('all users revoked: all are out, creds that are read afterwards work', async (t) => {
        const { account, user, other, client, bystander, creds, otherCreds } = await makeWorld();
        await effectOf(t, 'revoke_all, both cut', () => stage.change(account, { revoke_all: true }),
          async (since) => (await Promise.all([client, bystander].map((one) => cut(one)(since)))).at(-1));
        await stage.proven(account);
        for (const old of [creds, otherCreds]) await stage.assertRefused(old);
        await assertWorks(await stage.creds(user), await stage.connect(await stage.creds(other)));
      });

      test('a signing key added cuts nobody; the old one removed cuts who still holds creds of it', async (t) => {
        const { account, user, client, bystander, creds, otherCreds } = await makeWorld();
        const list = async () => (await stage.api('GET', `/api/v1/accounts/${account.id}/signing-keys`)).signing_keys;
        const old = (await list()).map(({ public_key: key }) => key);
        await stage.change(account, { add_signing_key: true });
        await stage.proven(account);
        const fresh = await stage.creds(user);
        assert.ok(old.includes(claimsOf(jwtOf(creds)).iss));
        assert.ok(!old.includes(claimsOf(jwtOf(fresh)).iss), 'the new key signs');
        const onNewKey = await assertWorks(fresh, bystander);
        await assertWorks(creds, bystander);
        for (const one of [client, bystander]) await assertLeftAlone(one);

        const plain = (await list()).find(({ signs, role_id: role }) => !signs && role === '').public_key;
        await effectOf(t, 'remove_signing_key, both on it cut', () => stage.change(account, { remove_signing_key: plain }),
          async (since) => (await Promise.all([client, bystander].map((one) => cut(one)(since)))).at(-1));
        await stage.proven(account);
        for (const dead of [creds, otherCreds]) await stage.assertRefused(dead);
        await assertWorks(fresh, onNewKey);
        await assertLeftAlone(onNewKey);
      });

      test('an account suspended and resumed', async (t) => {
        const { account, client, bystander, creds, otherCreds } = await makeWorld();
        await effectOf(t, 'suspended, both cut', () => stage.change(account, { active: false }),
          async (since) => (await Promise.all([client, bystander].map((one) => cut(one)(since)))).at(-1));
        await stage.proven(account);
        for (const one of [creds, otherCreds]) await stage.assertRefused(one);
        let first;
        await effectOf(t, 'resumed, the same creds let in', () => stage.change(account, { active: true }),
          () => until('the client is in', async () => {
            first = await stage.connect(creds, { reconnect: false });
            return { at: performance.now() };
          }));
        await assertWorks(otherCreds, first);
      });

      test('a user suspended and activated', async (t) => {
        const { account, user, client, bystander, creds } = await makeWorld();
        await effectOf(t, 'suspended', () => stage.change(user, { active: false }), cut(client));
        await stage.proven(account);
        await stage.assertRefused(creds);
        await stage.change(user, { active: true });
        await stage.proven(account);
        await assertWorks(creds, bystander);
        await assertLeftAlone(bystander);
      });

      test('a user moved to another role', async (t) => {
        const world = await makeWorld();
        const { account, otherRole } = world;
        const { creds } = await assertReplaced(t, 'moved to another role', world,
          () => stage.change(world.user, { role_id: otherRole.id }));
        await stage.proven(account);
        await (await stage.connect(creds)).isRefusedToSubscribe('_INBOX.x');
      });

      test('a user moved to another account', async (t) => {
        const { account, user, creds, client, bystander } = await makeWorld();
        const target = await stage.createAccount('target');
        await effectOf(t, 'moved to another account', () => stage.change(user, { account_id: target.id }), cut(client));
        for (const one of [account, target]) await stage.proven(one);
        await stage.assertRefused(creds);
        const moved = await stage.creds(user);
        const inTarget = await assertWorks(moved);
        // Nor does a move back bring them back.
        await effectOf(t, 'moved back', () => stage.change(user, { account_id: account.id }), cut(inTarget));
        for (const one of [account, target]) await stage.proven(one);
        for (const dead of [creds, moved]) await stage.assertRefused(dead);
        await assertWorks(await stage.creds(user), bystander);
        await assertLeftAlone(bystander);
      });

      test("a user's own permissions narrowed", async (t) => {
        const world = await makeWorld({ user: { publish_permissions: ['own.>'], subscribe_permissions: ['own.>'] } });
        await world.client.reaches(world.client, 'own.x');
        const { creds } = await assertReplaced(t, 'own permissions narrowed', world,
          () => stage.change(world.user, { publish_permissions: ['own.public'] }));
        const client = await stage.connect(creds);
        await client.isRefusedToPublish('own.x');
        await client.reaches(client, 'own.public');
      });

      test('the role of a user with own permissions narrowed', async (t) => {
        const world = await makeWorld({ user: { publish_permissions: ['own.>'] } });
        const { creds } = await assertReplaced(t, 'role narrowed, JWT with own permissions', world,
          () => stage.change(world.role, { publish_permissions: ['data.again'] }));
        await (await stage.connect(creds)).isRefusedToPublish('data.secret');
      });

      test('jwt_expires_at cut', async (t) => {
        const world = await makeWorld();
        const inAnHour = Math.floor(Date.now() / 1000) + 3600;
        const { creds } = await assertReplaced(t, 'jwt_expires_at from never to in an hour', world,
          () => stage.change(world.user, { jwt_expires_at: new Date(inAnHour * 1000).toISOString() }));
        assert.equal(claimsOf(jwtOf(creds)).exp, inAnHour);
        const soon = Math.ceil(Date.now() / 1000) * 1000 + 10_000;
        const { creds_file: brief } = await stage.change(world.user, { jwt_expires_at: new Date(soon).toISOString() });
        await stage.proven(world.account);
        await stage.assertRefused(creds);
        const last = await stage.connect(brief, { reconnect: false });
        await until('the last one is out', () => last.closed, { deadline: 20_000 });
        await until('that second is over', () => Date.now() > soon + 1000, { deadline: 20_000 }); // servers take it until then
        await stage.assertRefused(brief);
      });
    });
  });
}
