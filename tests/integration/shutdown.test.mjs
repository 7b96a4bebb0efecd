// SIGTERM and SIGINT end natsid cleanly and soon, whatever it is doing.
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { contents, initialised, scratch, serve } from './lib/command.mjs';
import { freePort, NatsServer } from './lib/nats.mjs';
import { checkDatabase, initDataDir, must, request, startNatsid } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';

const SOON = 8000;

/** Sends the signal; it ends with 0 within the deadline and leaves a sound database behind. */
async function endsCleanly(daemon, data, signal = 'SIGTERM') {
  const start = performance.now();
  const ended = await Promise.race([
    daemon.stop(signal),
    until('natsid ends', () => false, { deadline: SOON }).catch((error) => error),
  ]);
  assert.deepEqual(ended, { code: 0, signal: null }, daemon.output.stderr);
  assert.match(daemon.output.stderr, new RegExp(`stopping signal=${signal}[^]*stopped`));
  assert.deepEqual(Object.keys(await contents(data)).filter((name) => name !== 'nats'), ['heartbeat', 'master.key', 'natsid.db']);
  await checkDatabase(data);
  return performance.now() - start;
}

const start = (data, nats, args = []) => serve(['--data', data, '--listen', '127.0.0.1:0', '--nats', nats, ...args]);

/** A peer that takes connections and never says a word. */
async function silent(t) {
  const sockets = new Set();
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `nats://127.0.0.1:${server.address().port}`, sockets };
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`${signal} with no NATS server there`, async (t) => {
    const data = await initialised(await scratch(t));
    const daemon = start(data, 'nats://127.0.0.1:1');
    await daemon.listening();
    const ms = await endsCleanly(daemon, data, signal);
    t.diagnostic(`${ms.toFixed(0)} ms`);
  });
}

test('SIGTERM while it waits for a NATS server that accepts and says nothing', async (t) => {
  const data = await initialised(await scratch(t));
  const peer = await silent(t);
  const daemon = start(data, peer.url);
  await daemon.listening();
  await until('natsid connects', () => peer.sockets.size > 0);
  const ms = await endsCleanly(daemon, data);
  t.diagnostic(`${ms.toFixed(0)} ms`);
});

test('SIGTERM while connected, and while the server hangs', { timeout: 60_000 }, async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const port = await freePort();
  const { stdout } = await must(['export', 'nats-conf', '--data', data, '--server-name', 's1', '--port', String(port)]);
  const store = join(data, 'nats', 's1', 'jwt');
  const server = new NatsServer({ which: 'newest', name: 's1', port, directory, configuration: stdout, store });
  await server.start();
  t.after(() => server.stop('SIGKILL'));
  for (const hangs of [false, true]) {
    const daemon = start(data, server.url);
    await daemon.listening();
    await until('natsid is connected', () => /nats server name=s1/.test(daemon.output.stderr));
    if (hangs) server.pause();
    const ms = await endsCleanly(daemon, data);
    t.diagnostic(`${hangs ? 'hanging' : 'connected'}: ${ms.toFixed(0)} ms`);
    if (hangs) server.resume();
  }
});

test('right after it was started', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  for (let i = 0; i < 5; i += 1) {
    const daemon = start(data, 'nats://127.0.0.1:1');
    await daemon.listening();
    await endsCleanly(daemon, data);
  }
});

test('with idle, silent and half-sent connections open', async (t) => {
  const data = await initialised(await scratch(t));
  const daemon = start(data, 'nats://127.0.0.1:1');
  const { hostname, port } = new URL(await daemon.listening());
  const open = async (text) => {
    const socket = connect(Number(port), hostname).on('error', () => {});
    await new Promise((resolve) => { socket.once('connect', resolve); });
    if (text) await new Promise((resolve) => { socket.write(text, resolve); });
    return socket;
  };
  const sockets = await Promise.all([
    open(), open('GET /heal'), open('POST /api/collections/nats_roles/records HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"na'),
    open('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'),
  ]);
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const ms = await endsCleanly(daemon, data);
  t.diagnostic(`${ms.toFixed(0)} ms`);
});

test('with writes under way: each is answered or not made, and the answered ones are there', { timeout: 60_000 }, async (t) => {
  const directory = await scratch(t);
  const data = join(directory, 'data');
  await initDataDir(data);
  const daemon = await startNatsid({ dataDir: data });
  const made = new Set();
  const path = '/api/collections/nats_roles/records';
  let stopped = null;
  const write = async (number) => {
    for (let i = 0; ; i += 1) {
      const name = `role-${number}-${i}`;
      let answer;
      try {
        answer = await daemon.api('POST', path, { name });
      } catch (error) {
        assert.ok(stopped, `a write failed before the signal: ${error.message}`);
        return;
      }
      if (answer.status === 503) return; // it is stopping, and says so
      assert.equal(answer.status, 200, answer.text);
      made.add(name);
      if (made.size >= 100) stopped ??= daemon.stop();
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => write(i)));
  await stopped;
  t.diagnostic(`${made.size} writes were answered`);
  const again = await startNatsid({ dataDir: data });
  const found = new Set();
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const { body } = await again.api('GET', `${path}?perPage=500&page=${page}`);
    pages = body.totalPages;
    for (const { name } of body.items) found.add(name);
  }
  for (const name of made) assert.ok(found.has(name), name);
  assert.ok(found.size - made.size <= 8, 'at most the last write of each writer was made and not answered');
  await again.stop();
});

test('SIGPIPE is passed over, and a second SIGTERM does no harm', async (t) => {
  const data = await initialised(await scratch(t));
  const daemon = start(data, 'nats://127.0.0.1:1');
  const url = await daemon.listening();
  daemon.child.kill('SIGPIPE');
  assert.equal((await request(url, 'GET', '/healthz')).status, 200);
  daemon.child.kill('SIGTERM');
  await endsCleanly(daemon, data);
});
