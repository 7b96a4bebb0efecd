// scripts/run: one command to a running system, and Ctrl-C to the end of it.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { freePort, serverBinary } from './lib/nats.mjs';
import { request } from './lib/natsid.mjs';
import { launch, root, until } from './lib/processes.mjs';

const email = 'first@example.org';
let directory, data, listen, url, natsPort, running;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'natsid-run-'));
  data = join(directory, 'data');
  listen = `127.0.0.1:${await freePort()}`;
  url = `http://${listen}`;
  natsPort = await freePort();
});
after(async () => {
  running?.child.kill('SIGTERM');
  await running?.ended;
  await rm(directory, { recursive: true, force: true });
});

function start(env = {}, args = []) {
  const options = ['--data', data, '--listen', listen, '--nats-port', String(natsPort), ...args];
  running = launch(join(root, 'scripts/run'), options, {
    env: { ...process.env, NATS_SERVER: serverBinary('newest'), ...env },
  });
  return running;
}

async function ready() {
  await until('it is up and tells what to do next', () => {
    assert.equal(running.child.exitCode, null, running.output.stdout + running.output.stderr);
    return /Ctrl-C stops both/.test(running.output.stdout);
  }, { deadline: 60_000 });
  await until('natsid is connected to its server', async () => (await request(url, 'GET', '/readyz')).body.nats.connected);
}

const login = async (password) => (await request(url, 'POST', '/api/collections/_superusers/auth-with-password', {
  identity: email, password,
})).status;

async function end(signal) {
  running.child.kill(signal);
  const outcome = await running.ended;
  running = undefined;
  assert.deepEqual(outcome, { code: 0, signal: null });
  await assert.rejects(fetch(`${url}/healthz`));
  await assert.rejects(connect({ servers: `127.0.0.1:${natsPort}`, reconnect: false, timeout: 1000 }));
}

test('the first run makes all of it: the superuser of the environment logs in', async () => {
  start({ NATSID_SUPERUSER_EMAIL: email, NATSID_SUPERUSER_PASSWORD: 'from the environment' });
  await ready();
  assert.equal(await login('from the environment'), 200);
  assert.ok(!running.output.stdout.includes('from the environment'));
});

test('Ctrl-C ends natsid and its nats-server', () => end('SIGINT'));

test('the second run finds everything in place', async () => {
  start();
  await ready();
  assert.equal(await login('from the environment'), 200);
  await end('SIGTERM');
});

test('without a terminal and a given password one is made up, and shown once', async () => {
  await rm(data, { recursive: true });
  start({ NATSID_SUPERUSER_EMAIL: email });
  await ready();
  const [, password] = /Superuser first@example\.org, password (\S+)/.exec(running.output.stdout);
  assert.equal(await login(password), 200);
  await end('SIGINT');
  start();
  await ready();
  assert.ok(!running.output.stdout.includes(password));
  assert.equal(await login(password), 200);
  await end('SIGINT');
});

test('a taken port is named, with the option that changes it', async () => {
  const first = start();
  await ready();
  const second = launch(join(root, 'scripts/run'), ['--data', join(directory, 'other'), '--listen', listen]);
  assert.equal((await second.ended).code, 1);
  assert.match(second.output.stderr, new RegExp(`${listen.replace(/\./g, '\\.')}.*--listen`));
  const third = launch(join(root, 'scripts/run'), [
    '--data', join(directory, 'other'), '--listen', `127.0.0.1:${await freePort()}`, '--nats-port', String(natsPort)]);
  assert.equal((await third.ended).code, 1);
  assert.match(third.output.stderr, new RegExp(`${natsPort}.*--nats-port`));
  running = first;
  await end('SIGINT');
});
