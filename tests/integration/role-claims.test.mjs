// Whatever a role says is in the account's JWT as it was sent, and servers enforce it.
import assert from 'node:assert/strict';
import { decode } from '@nats-io/jwt';
import { credsAuthenticator, jwtAuthenticator, wsconnect } from '@nats-io/nats-core';
import './lib/ed25519.mjs';
import { freePort } from './lib/nats.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';
import { WebSocket } from './lib/websocket.mjs';

const ports = { newest: await freePort(), oldest: await freePort() };

/** "HH:MM:SS" in UTC, so many hours from now. */
const clock = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 19);

for (const which of ['newest', 'oldest']) {
  const more = () => `\nwebsocket { listen: "127.0.0.1:${ports[which]}", no_tls: true }\n`;
  onStage(`claims of roles on the ${which} server`, { which, more }, (stage, test, together) => {
    let account, role, user, worlds = 0;

    async function change(fields) {
      await stage.change(role, fields);
      await stage.proven(account);
    }

    /** An account of its own with a user whose role allows everything, but for these fields; change(fields) of the role. */
    async function makeWorld(fields) {
      const n = (worlds += 1);
      const own = await stage.createAccount(`account-${n}`);
      const ownRole = await stage.createRole(`role-${n}`, ['>'], ['>'], fields);
      const { creds_file: creds } = await stage.createUser('user', own, ownRole);
      await stage.proven(own);
      const changeRole = async (more) => {
        await stage.change(ownRole, more);
        await stage.proven(own);
      };
      return { account: own, creds, change: changeRole };
    }

    /** What the account's JWT says of the role. */
    async function template() {
      const { jwt } = await stage.proven(account);
      const key = decode(jwt).nats.signing_keys.find((item) => item.role === role.id);
      assert.equal(key.kind, 'user_scope');
      assert.equal(key.description, '');
      return key.template;
    }

    async function overWebsocket(creds) {
      const nc = await wsconnect({
        servers: `ws://127.0.0.1:${ports[which]}`,
        authenticator: credsAuthenticator(new TextEncoder().encode(creds)),
        wsFactory: (url) => ({ socket: new WebSocket(url), encrypted: false }),
        reconnect: false,
        timeout: 5000,
      });
      await nc.flush();
      await nc.close();
    }

    const assertAccepted = async (creds) => (await stage.connect(creds)).close();

    test('what is sent is what is said, claim by claim', async () => {
      account = await stage.createAccount('acme');
      role = await stage.createRole('all', ['b.>', 'a.{{name()}}', 'b.>'], ['c workers', 'd'], {
        publish_deny_permissions: ['b.x'],
        subscribe_deny_permissions: ['d.x q', 'd.y'],
        allow_response: true,
        allow_response_max: 3,
        allow_response_ttl: 5,
        max_subscriptions: 0,
        max_payload: 1024,
        max_data: 77,
        connection_types: ['WEBSOCKET', 'STANDARD'],
        networks: ['192.168.0.0/16', '127.9.9.9/8'],
        time_windows: [{ start: '22:00:00', end: '23:00:00' }, { start: '08:00:00', end: '17:30:00' }],
        times_location: 'Europe/Berlin',
        bearer_token: true,
        proxy_required: true,
        default_lifetime: 3600,
      });
      user = await stage.createUser('one', account, role);
      assert.deepEqual(await template(), {
        pub: { allow: ['a.{{name()}}', 'b.>'], deny: ['b.x'] },
        sub: { allow: ['c workers', 'd'], deny: ['d.x q', 'd.y'] },
        resp: { max: 3, ttl: 5_000_000_000 },
        src: ['127.0.0.0/8', '192.168.0.0/16'],
        times: [{ start: '08:00:00', end: '17:30:00' }, { start: '22:00:00', end: '23:00:00' }],
        times_location: 'Europe/Berlin',
        subs: 0,
        data: -1,
        payload: 1024,
        bearer_token: true,
        proxy_required: true,
        allowed_connection_types: ['STANDARD', 'WEBSOCKET'],
      });
      const read = await stage.read(role);
      assert.deepEqual(read.networks, ['192.168.0.0/16', '127.9.9.9/8']); // the record is what was sent
      assert.equal(read.max_data, 77);
    });

    test('what means the same makes no new JWT', async () => {
      const before = await stage.proven(account);
      await change({
        name: 'renamed',
        description: 'described',
        max_data: 78,
        default_lifetime: 7200,
        publish_permissions: ['a.{{name()}}', 'b.>'],
        networks: ['127.0.0.0/8', '192.168.7.7/16'],
        connection_types: ['STANDARD', 'WEBSOCKET', 'STANDARD'],
        time_windows: [{ end: '17:30:00', start: '08:00:00' }, { start: '22:00:00', end: '23:00:00' }],
      });
      assert.equal((await stage.proven(account)).jwt, before.jwt);
    });

    test('a role that says nothing says as little', async () => {
      await change({
        publish_permissions: ['>'],
        subscribe_permissions: ['>'],
        publish_deny_permissions: [],
        subscribe_deny_permissions: [],
        allow_response: false,
        max_subscriptions: -1,
        max_payload: -1,
        connection_types: [],
        networks: [],
        time_windows: [],
        bearer_token: false,
        proxy_required: false,
      });
      assert.deepEqual(await template(), { pub: { allow: ['>'] }, sub: { allow: ['>'] }, subs: -1, data: -1, payload: -1 });
      await assertAccepted(await stage.creds(user));
    });

    together('servers enforce it', () => {
      test('networks', async () => {
        const world = await makeWorld();
        const client = await stage.connect(world.creds);
        const since = performance.now();
        await world.change({ networks: ['192.0.2.0/24'] });
        await client.event('disconnect', { since });
        await stage.assertRefused(world.creds);
        assert.equal(client.count('reconnect'), 0);
        await client.close();
        await world.change({ networks: ['192.0.2.0/24', '127.0.0.0/8'] });
        await assertAccepted(world.creds);
      });

      test('connection types', async () => {
        const world = await makeWorld({ connection_types: ['STANDARD'] });
        await assertAccepted(world.creds);
        await assert.rejects(overWebsocket(world.creds), /authorization/i);
        await world.change({ connection_types: ['WEBSOCKET'] });
        await stage.assertRefused(world.creds);
        await overWebsocket(world.creds);
        await world.change({ connection_types: [] });
        await assertAccepted(world.creds);
        await overWebsocket(world.creds);
      });

      test('time windows', async () => {
        const world = await makeWorld({ times_location: 'UTC', time_windows: [{ start: clock(2), end: clock(3) }] });
        await stage.assertRefused(world.creds);
        await world.change({ time_windows: [{ start: clock(2), end: clock(3) }, { start: clock(-1), end: clock(1) }] });
        await assertAccepted(world.creds);
        await world.change({ times_location: 'Asia/Tokyo', time_windows: [{ start: clock(-1), end: clock(1) }] });
        await stage.assertRefused(world.creds);
        await world.change({ times_location: '', time_windows: [] });
        await assertAccepted(world.creds);
      });

      test('responses, and nothing else', async () => {
        const world = await makeWorld({ publish_permissions: [], allow_response: true, allow_response_max: 2 });
        const asking = await stage.createRole('asking', ['>'], ['>']);
        const other = await stage.createUser('other', world.account, asking);
        await stage.proven(world.account);
        const responder = await stage.connect(world.creds);
        const client = await stage.connect(await stage.creds(other));
        const replies = [];
        client.nc.subscribe('answers', { callback: (_, message) => replies.push(message.string()) });
        responder.nc.subscribe('ask', { callback: (_, message) => ['1', '2', '3'].forEach((text) => message.respond(text)) });
        await responder.nc.flush();
        await client.nc.flush();
        const refused = responder.event('error', { fits: ({ error }) => error.subject === 'answers' });
        client.nc.publish('ask', '', { reply: 'answers' });
        await until('two answers', () => replies.length === 2);
        await refused;
        await responder.isRefusedToPublish('anything');
        assert.deepEqual(replies, ['1', '2']);
      });

      test('a limit of 1 subscription', async () => {
        const world = await makeWorld({ max_subscriptions: 1 });
        const client = await stage.connect(world.creds);
        client.nc.subscribe('one', { callback: () => {} });
        await client.nc.flush();
        assert.equal(client.count('error'), 0);
        client.nc.subscribe('two', { callback: () => {} });
        await client.event('error', { fits: ({ error }) => /maximum subscriptions/i.test(error.message) });
      });

      // The server says so as soon as it knows the user, perhaps before the client is told that it is in, and hangs up.
      test('a limit of 0 subscriptions: nobody stays', async () => {
        const world = await makeWorld({ max_subscriptions: 0 });
        const why = await stage.connect(world.creds, { reconnect: false }).then(
          (client) => until('the client is cut', () => client.closed),
          (error) => error,
        );
        assert.match(`${why.message}`, /maximum subscriptions/i);
      });

      test('a limit of the payload', async () => {
        const world = await makeWorld();
        await world.change({ max_payload: 10 });
        const talker = await stage.connect(world.creds, { reconnect: false });
        const ear = await stage.connect(world.creds);
        await talker.reaches(ear, 'x'.repeat(2)); // "message N" is short enough
        try {
          talker.nc.publish('x', 'y'.repeat(11)); // the client may know the limit itself
          await until('the talker is cut', () => talker.closed);
        } catch (error) {
          assert.match(error.message, /payload/i);
        }
      });

      test('bearer', async () => {
        const world = await makeWorld();
        const jwt = world.creds.match(/-----BEGIN NATS USER JWT-----\s+(\S+)/)[1];
        const bare = { authenticator: jwtAuthenticator(jwt) };
        await assert.rejects(stage.connect(world.creds, { ...bare, reconnect: false }));
        await world.change({ bearer_token: true });
        await (await stage.connect(world.creds, bare)).close();
        await world.change({ bearer_token: false });
        await assert.rejects(stage.connect(world.creds, { ...bare, reconnect: false }));
      });

      test('a proxy, where the server knows of them', async () => {
        const world = await makeWorld();
        await world.change({ proxy_required: true });
        if (which === 'newest') await stage.assertRefused(world.creds);
        else await assertAccepted(world.creds);
        await world.change({ proxy_required: false });
        await assertAccepted(world.creds);
      });
    });

    test('what is wrong is refused with the field, and changes nothing', async () => {
      const before = await stage.read(account);
      const wrong = {
        networks: [['10.0.0.1'], ['10.0.0.0/33'], ['10.0.0.0/8,11.0.0.0/8']],
        connection_types: [['standard'], ['TELNET']],
        time_windows: [[{ start: '8', end: '9' }], [{ start: '08:00:00' }], [{ start: '08:00:00', end: '24:00:01' }], {}],
        times_location: ['Local', '../etc/passwd'],
        max_subscriptions: [-2, 2 ** 31],
        publish_permissions: [['a.{{nme()}}'], ['a b'], null],
        subscribe_permissions: [['a.{{name()}}', 'b q']],
        publish_deny_permissions: [['KV_{{name()}}']],
      };
      for (const [field, values] of Object.entries(wrong)) {
        for (const value of values) {
          const { status, body } = await stage.daemon.api('PATCH', `/api/collections/nats_roles/records/${role.id}`, { [field]: value });
          assert.equal(status, 400, `${field} ${JSON.stringify(value)}`);
          assert.ok(body.data[field], `${field} ${JSON.stringify(value)}: ${JSON.stringify(body)}`);
        }
      }
      assert.equal((await stage.read(account)).generation, before.generation);
    });
  });
}
