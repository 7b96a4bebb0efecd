// Three servers: proven means that each of them holds the bytes, and one that was away gets them when it is back.
import assert from 'node:assert/strict';
import { assertRefused } from './lib/client.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

onStage('a cluster of three', { servers: 3, daemonArgs: ['--nats-initial-backoff', '100ms'] }, (stage, test) => {
  let account, role, user, creds;

  const formed = (count) => until(`natsid sees ${count} servers`, async () => (await stage.nats()).servers === count, { deadline: 30_000 });

  /** The account is proven, and at that moment all of these servers hold its bytes. */
  async function provenOn(servers = stage.servers) {
    const { jwt } = await stage.proven(account, { deadline: 20_000 });
    for (const server of servers) assert.equal(await server.stored(account.public_key), jwt, server.name);
    return jwt;
  }

  /** All servers but one hold its bytes, and the account says which one does not. */
  async function heldWithout(away) {
    const { jwt, publish_message: message } = await stage.held(account, { deadline: 20_000 });
    assert.equal(message, `${away.name} does not answer`);
    for (const server of stage.servers) {
      if (server !== away) assert.equal(await server.stored(account.public_key), jwt, server.name);
    }
    return jwt;
  }

  const clientOn = (server) => stage.connect(creds, { servers: [server.url], ignoreClusterUpdates: true });

  test('what is proven is on all three, after every change', async () => {
    await formed(3);
    account = await stage.createAccount('acme');
    await provenOn();
    role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    user = await stage.createUser('sensor-1', account, role);
    creds = user.creds_file;
    await provenOn();
    for (let i = 0; i < 3; i += 1) {
      await stage.change(account, { max_connections: 100 + i });
      await provenOn();
    }
  });

  test('a role is narrowed for clients of every server', async (t) => {
    const clients = await Promise.all(stage.servers.map(clientOn));
    await clients[0].reaches(clients[2], 'data.everywhere');
    await stage.change(role, { publish_permissions: ['data.public'] });
    const since = performance.now();
    const times = await Promise.all(clients.map((client) => client.cutAndBack(since)));
    t.diagnostic(times.map(({ cut, back }) => `cut after ${cut} ms, back after ${back} ms`).join('; '));
    for (const client of clients) await client.isRefusedToPublish('data.secret');
    await clients[1].reaches(clients[0], 'data.public');
    await provenOn();
  });

  test('a server that missed a suspension refuses the user once it is back', async () => {
    const [, , third] = stage.servers;
    await provenOn();
    await third.stop();
    await stage.change(user, { active: false });
    const jwt = await heldWithout(third);
    assert.notEqual(await third.stored(account.public_key), jwt);
    await third.start();
    await until('the server that was away holds the newest', async () => (await third.stored(account.public_key)) === jwt, {
      deadline: 30_000,
    });
    await assertRefused(third.url, creds);
    await formed(3);
    await stage.change(user, { active: true });
    await provenOn();
    for (const server of stage.servers) await (await clientOn(server)).close();
  });

  test('without the server that natsid is connected to it goes on with another', async () => {
    const { server: name } = await stage.nats();
    const connected = stage.servers.find((server) => server.name === name);
    await connected.stop('SIGKILL');
    await stage.change(account, { max_connections: 50 });
    await until('natsid is connected to another', async () => {
      const nats = await stage.nats();
      return nats.connected && nats.server !== name && nats.server !== '';
    });
    const jwt = await heldWithout(connected);
    await connected.start();
    await until('the server that was away holds the newest', async () => (await connected.stored(account.public_key)) === jwt, {
      deadline: 30_000,
    });
    await provenOn();
  });

  test('a server that lost everything gets everything', async () => {
    const [, , third] = stage.servers;
    await formed(3);
    await third.stop();
    await third.wipe();
    await third.start();
    await until('it holds all accounts', async () => {
      const held = await Promise.all((await stage.accounts()).map(async ({ public_key: key, jwt }) => (await third.stored(key)) === jwt));
      return held.every(Boolean);
    }, { deadline: 30_000 });
    await clientOn(third);
  });
});
