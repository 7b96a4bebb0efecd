// scripts/run: one command to a running system, and Ctrl-C to the end of it; and what the README says of its data directory.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { assertRefused, Client } from './lib/client.mjs';
import { blocks, readDoc, section } from './lib/docs.mjs';
import { freePort, serverBinary } from './lib/nats.mjs';
import { must, request } from './lib/natsid.mjs';
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

const authenticate = (password) => request(url, 'POST', '/api/collections/_superusers/auth-with-password', { identity: email, password });
const login = async (password) => (await authenticate(password)).status;

/** A block of the README's commands, on directories of this run. */
async function shell(block) {
  const commands = block.replaceAll('natsid-data', data).replaceAll('/backup/', `${directory}/backup/`).replaceAll('/somewhere/else', `${directory}/else`);
  const { ended, output } = launch('bash', ['-c', `set -euo pipefail\n${commands}`]);
  assert.deepEqual(await ended, { code: 0, signal: null }, `${commands}\n${output.stderr}`);
}

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

test('a backup that is restored as the README says lets nobody in who was suspended since', async () => {
  const [backup, restore] = blocks(section(await readDoc('README.md'), 'Back up two files'), 'sh');
  await Promise.all(['backup', 'else'].map((name) => mkdir(join(directory, name))));
  const password = 'from the environment';
  start({ NATSID_SUPERUSER_EMAIL: email, NATSID_SUPERUSER_PASSWORD: password });
  await ready();
  const { token } = (await authenticate(password)).body;
  const api = async (method, path, body) => {
    const { status, body: json, text } = await request(url, method, path, body, { token });
    assert.equal(status, 200, text);
    return json;
  };
  const create = (collection, fields) => api('POST', `/api/collections/${collection}/records`, fields);
  const account = await create('nats_accounts', { name: 'acme' });
  const role = await create('nats_roles', { name: 'sensor', publish_permissions: ['>'] });
  const user = await create('nats_users', { nats_username: 'sensor-1', account_id: account.id, role_id: role.id });
  const status = async () => (await api('GET', `/api/collections/nats_accounts/records/${account.id}`)).publish_status;
  await until('the account is proven', async () => (await status()) === 'proven');
  await shell(backup);
  const servers = [`nats://127.0.0.1:${natsPort}`];
  const client = await Client.connect(servers, user.creds_file);
  await api('PATCH', `/api/collections/nats_users/records/${user.id}`, { active: false });
  await client.event('disconnect');
  await client.close();
  await end('SIGINT');

  await shell(restore);
  start();
  await ready();
  await until('the account is held', async () => (await status()) === 'held');
  await assertRefused(servers, user.creds_file);
  const { stdout } = await must(['account', 'quarantine', '--data', data]);
  assert.match(stdout, /revocations only on the server: 1 /);
  await must(['account', 'adopt', 'acme', '--data', data]);
  await until('the account is proven', async () => (await status()) === 'proven');
  await assertRefused(servers, user.creds_file);
  await end('SIGINT');
});
