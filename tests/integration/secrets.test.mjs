// After a full run no seed, creds, password or token is found where it has no business: by their known values.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { fromSeed } from '@nats-io/nkeys';
import { Client } from './lib/client.mjs';
import { serve } from './lib/command.mjs';
import { freePort, NatsServer } from './lib/nats.mjs';
import { must, natsid, request, superuser } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';

let directory;
let data;
let server;
let token;
const sealed = new Map(); // what the vault holds: hex
const secrets = new Map(); // what -> bytes that must not be found
const seen = new Map(); // place -> bytes that were there
const handedOut = []; // answers that hold creds on purpose
const modes = {}; // of the files, while natsid runs
const internals = new Map(); // what the database may hold, and nothing else

const passwords = {
  first: 'the first superuser passphrase',
  argument: 'a passphrase on the command line',
  user: 'a passphrase of a user, ünicode',
  wrong: 'a wrong guess of a passphrase',
};

/** The 32 bytes in the text of a seed: after the two bytes that say what it is, before the checksum. */
function rawSeed(text) {
  const bits = [...text].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).slice(2, 34).map((octet) => parseInt(octet, 2)));
}

/** The forms in which 32 bytes would give themselves away. */
function addBytes(what, bytes) {
  assert.equal(bytes.length, 32);
  secrets.set(`${what}, raw`, bytes);
  secrets.set(`${what}, base64`, Buffer.from(bytes.toString('base64').slice(0, 42)));
  secrets.set(`${what}, base64url`, Buffer.from(bytes.toString('base64url').slice(0, 42)));
  secrets.set(`${what}, hex`, Buffer.from(bytes.toString('hex')));
  secrets.set(`${what}, HEX`, Buffer.from(bytes.toString('hex').toUpperCase()));
}

function addCreds(what, creds) {
  const [, jwt] = /-----BEGIN NATS USER JWT-----\n(\S+)\n/.exec(creds);
  const [, seed] = /-----BEGIN USER NKEY SEED-----\n(\S+)\n/.exec(creds);
  const subject = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')).sub;
  assert.equal(fromSeed(Buffer.from(seed)).getPublicKey(), subject, 'the seed is read as it is meant');
  secrets.set(`${what}: seed`, Buffer.from(seed));
  secrets.set(`${what}: signature of the JWT`, Buffer.from(jwt.split('.')[2]));
  secrets.set(`${what}: JWT`, Buffer.from(jwt.split('.')[1]));
  addBytes(`${what}: seed`, rawSeed(seed));
}

/** A token is three parts; the last one is what nobody else can make. */
function addToken(what, text) {
  assert.equal(text.split('.').length, 3);
  secrets.set(`${what}: claims`, Buffer.from(text.split('.')[1]));
  secrets.set(`${what}: signature`, Buffer.from(text.split('.')[2]));
  secrets.set(`${what}: signature, raw`, Buffer.from(text.split('.')[2], 'base64url'));
}

const note = (place, bytes) => seen.set(place, Buffer.concat([seen.get(place) ?? Buffer.alloc(0), Buffer.from(bytes)]));

/** Secrets that are in these bytes. */
const leaks = (bytes, what = secrets) => [...what].filter(([, value]) => bytes.includes(value)).map(([name]) => name);

async function noteFiles(when) {
  for (const name of await readdir(data)) {
    modes[name] ??= (await stat(join(data, name))).mode & 0o777;
    if (name.startsWith('natsid.db')) note(`${name}, ${when}`, await readFile(join(data, name)));
  }
}

/** What other users of the host can read of a process, and what its children would inherit. */
async function noteProcess(pid) {
  note('/proc/PID/cmdline', await readFile(`/proc/${pid}/cmdline`));
  note('/proc/PID/environ', await readFile(`/proc/${pid}/environ`).catch(() => '')); // not readable is as good
}

/** One request; its answer is looked through unless it is one of those that give creds. */
async function api(url, method, path, body, { gives = false, ...options } = {}) {
  const answer = await request(url, method, path, body, { token, ...options });
  const head = JSON.stringify([...answer.headers]);
  if (gives) handedOut.push(answer.text);
  else note(`answers to ${method} ${path.replace(/[a-z0-9]{15}/g, 'ID')}`, `${head}\n${answer.text}\n`);
  return answer;
}

async function login(url, identity, password) {
  const path = '/api/collections/_superusers/auth-with-password';
  const answer = await request(url, 'POST', path, { identity, password });
  if (answer.status === 200) addToken(`token ${secrets.size}`, answer.body.token);
  note('answers to logins, without their tokens', answer.text.replaceAll(answer.body.token ?? '\0', ''));
  return answer;
}

const records = (collection, id = '') => `/api/collections/${collection}/records${id && `/${id}`}`;

async function mistakes(url) {
  const statuses = [];
  const wrong = async (method, path, body, options) => {
    const { status } = await api(url, method, path, body, options);
    statuses.push(status);
  };
  await wrong('POST', records('nats_users'), { nats_username: 'x', password: passwords.user, passwordConfirm: passwords.wrong });
  await wrong('POST', records('nats_users'), `{"password": "${passwords.user}", "seed": `);
  await wrong('POST', records('nats_users'), { creds: handedOut[0], old_password: passwords.user });
  await wrong('PATCH', records('nats_users', 'none'), { password: passwords.user });
  await wrong('GET', `${records('nats_users')}?fields=jwt,creds_file,seed,password`);
  await wrong('GET', `${records('nats_users')}?filter=${encodeURIComponent(passwords.user)}`);
  await wrong('GET', records('nats_users'), undefined, { token: `${token}x` });
  await wrong('GET', records('nats_users'), undefined, { token: token.replace(/.\./, 'A.') });
  await wrong('GET', `/nowhere?token=${token}`);
  await wrong('POST', '/api/collections/_superusers/auth-with-password', { identity: superuser.email, password: passwords.wrong });
  await wrong('POST', '/api/collections/nats_users/auth-with-password', { identity: 'u@example.org', password: passwords.user });
  for (const status of statuses) assert.ok(status >= 400, String(statuses));
}

async function fullRun(daemon) {
  const url = await daemon.listening();
  await noteProcess(daemon.child.pid);
  const first = await login(url, superuser.email, passwords.first);
  token = first.body.token;
  assert.equal((await login(url, superuser.email, passwords.wrong)).status, 400);
  const account = (await api(url, 'POST', records('nats_accounts'), { name: 'acme' })).body;
  const role = (await api(url, 'POST', records('nats_roles'), { name: 'sensors', publish_permissions: ['data.>'] })).body;
  const users = [];
  for (const nats_username of ['one', 'two', 'three', 'with-login']) {
    const extra = nats_username === 'with-login'
      ? { email: 'u@example.org', password: passwords.user, passwordConfirm: passwords.user } : {};
    const fields = { nats_username, account_id: account.id, role_id: role.id, ...extra };
    const user = (await api(url, 'POST', records('nats_users'), fields, { gives: true })).body;
    addCreds(user.nats_username, user.creds_file);
    users.push(user);
  }
  const creds = (await api(url, 'GET', `/api/v1/users/${users[0].id}/creds`, undefined, { gives: true })).text;
  addCreds('downloaded', creds);
  await api(url, 'GET', `${records('nats_users', users[1].id)}?fields=creds_file`, undefined, { gives: true });
  await until('proven', async () => (await api(url, 'GET', records('nats_accounts', account.id))).body.publish_status === 'proven');
  const client = await Client.connect([server.url], creds);
  client.nc.publish('data.x', 'x');
  await client.nc.flush();
  await client.close();

  await mistakes(url);
  for (const collection of ['nats_users', 'nats_accounts', 'nats_roles', '_superusers', 'nats_system_operator']) {
    const { body } = await api(url, 'GET', `${records(collection)}?perPage=500`);
    assert.ok(body.items.length > 0, collection);
    await api(url, 'GET', records(collection, body.items[0].id));
  }
  await api(url, 'PATCH', records('nats_users', users[0].id), { active: false });
  await api(url, 'GET', `/api/v1/users/${users[0].id}/creds`);
  await api(url, 'PATCH', records('nats_users', users[0].id), { active: true });
  await api(url, 'DELETE', records('nats_users', users[2].id));
  const refreshed = await request(url, 'POST', '/api/collections/_superusers/auth-refresh', {}, { token });
  addToken('refreshed token', refreshed.body.token);
  for (const path of ['/api/v1/nats.conf', '/api/v1/operator.jwt', '/readyz', '/healthz', '/api/health']) await api(url, 'GET', path);
}

async function command(args, options) {
  const result = await natsid([...args, '--data', data], options);
  assert.equal(result.code, 0, result.stderr);
  note(`output of natsid ${args[0]}`, result.stdout + result.stderr);
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'natsid-secrets-'));
  data = join(directory, 'data');
  await command(['init']);
  await command(['superuser', 'upsert', superuser.email, '-'], { input: `${passwords.first}\n` });
  await command(['superuser', 'upsert', 'other@example.org', passwords.argument]);
  const port = await freePort();
  await command(['export', 'operator-jwt']);
  const args = ['export', 'nats-conf', '--data', data, '--server-name', 's1', '--port', String(port)];
  const { stdout } = await must(args);
  note('the configuration of the server', stdout);
  const configuration = `${stdout}\ndebug: true\n`;
  server = new NatsServer({ which: 'newest', name: 's1', port, directory, configuration, store: join(data, 'nats', 's1', 'jwt') });
  await server.start();
  for (const [what, password] of Object.entries(passwords)) secrets.set(`password: ${what}`, Buffer.from(password));
  const masterKey = (await readFile(join(data, 'master.key'), 'utf8')).trim().split(' ')[1];
  addBytes('master key', Buffer.from(masterKey, 'base64url'));

  const start = () => serve(['--data', data, '--listen', '127.0.0.1:0', '--nats', server.url, '--log-level', 'debug']);
  let daemon = start();
  await fullRun(daemon);
  await noteFiles('while it runs');
  await daemon.stop();
  note('log of natsid', daemon.output.stderr + daemon.output.stdout);
  await noteFiles('after it stopped');

  daemon = start(); // once more, killed: what a crash leaves behind
  const url = await daemon.listening();
  assert.equal((await api(url, 'GET', records('nats_users'))).status, 200, 'the token of before the restart');
  await api(url, 'POST', records('nats_roles'), { name: 'one more' });
  await daemon.stop('SIGKILL');
  note('log of natsid', daemon.output.stderr + daemon.output.stdout);
  await noteFiles('after SIGKILL');
  await server.stop();
  note('log of nats-server', server.log);

  const opener = fileURLToPath(new URL('lib/vault.py', import.meta.url));
  for (const [what, hex] of JSON.parse(execFileSync('python3', [opener, data], { encoding: 'utf8' }))) {
    sealed.set(what, hex);
    addBytes(what, Buffer.from(hex, 'hex'));
  }

  const columns = "SELECT 'superuser', password_hash, token_key FROM superusers UNION ALL "
    + "SELECT nats_username, password_hash, token_key FROM users WHERE password_hash <> ''";
  const rows = execFileSync('sqlite3', ['-separator', '\t', join(data, 'natsid.db'), columns], { encoding: 'utf8' });
  for (const [who, hash, key] of rows.trim().split('\n').map((row) => row.split('\t'))) {
    internals.set(`password hash of ${who} ${internals.size}`, Buffer.from(hash.split('$').at(-1)));
    internals.set(`token key of ${who} ${internals.size}`, Buffer.from(key));
  }
}, { timeout: 90_000 });

after(async () => {
  await server?.stop('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

test('the run was a full one: there is something to look through, and something to find', () => {
  for (const place of ['natsid.db, while it runs', 'natsid.db-wal, while it runs', 'natsid.db, after it stopped',
    'natsid.db-wal, after SIGKILL', 'log of natsid', 'log of nats-server', '/proc/PID/cmdline',
    'answers to GET /api/collections/nats_users/records?perPage=500', 'output of natsid superuser']) {
    assert.ok(seen.get(place)?.length > 20, place);
  }
  assert.equal([...secrets.keys()].filter((what) => what.endsWith(': seed')).length, 5);
  assert.ok(secrets.size > 50, String(secrets.size));
});

test('everything that is sealed was opened by another reader of the format, and is searched for', () => {
  const kinds = [...sealed.keys()].map((what) => what.split(' ').slice(0, 3).join(' '));
  for (const kind of ['root key', 'data key 1', 'seed of operator', 'seed of accounts', 'seed of signing_keys', 'seed of users']) {
    assert.ok(kinds.includes(kind), kind);
  }
  assert.equal(new Set(sealed.values()).size, sealed.size);
  const handed = [...secrets].filter(([what]) => /^(one|two|with-login): seed, hex$/.test(what)).map(([, value]) => value.toString());
  assert.equal(handed.length, 3);
  for (const hex of handed) assert.ok([...sealed.values()].includes(hex), 'the seed in the creds is the one that was sealed');
});

test('the search finds a secret of each kind that was planted, in every form', () => {
  for (const [what, value] of secrets) {
    assert.ok(leaks(Buffer.concat([Buffer.from('before '), value, Buffer.from(' after')])).includes(what), what);
  }
  const given = leaks(Buffer.from(handedOut.join('\n')));
  for (const what of ['one: seed', 'one: JWT', 'downloaded: seed', 'with-login: seed']) assert.ok(given.includes(what), what);
});

test('nothing secret is in the database, its log, the logs, the answers or what a process shows of itself', () => {
  const found = [...seen].flatMap(([place, bytes]) => leaks(bytes).map((what) => `${what} in ${place}`));
  assert.deepEqual(found, []);
});

test('password hashes and token keys stay in the database', () => {
  assert.equal(internals.size, 6);
  const database = Buffer.concat([...seen].filter(([place]) => place.startsWith('natsid.db')).map(([, bytes]) => bytes));
  assert.equal(leaks(database, internals).length, 6, 'they are there');
  for (const [place, bytes] of seen) {
    if (place.startsWith('natsid.db')) continue;
    assert.deepEqual(leaks(bytes, internals), [], place);
    assert.ok(!bytes.includes('$argon2'), place);
  }
});

test('nothing that looks like a seed or a private key is there either', () => {
  for (const [place, bytes] of seen) {
    const text = bytes.toString('latin1');
    const found = text.match(/(?<![A-Z2-7])(S[ANOUCX]|P)[A-Z2-7]{55,56}(?![A-Z2-7])/g) ?? [];
    assert.deepEqual(found, [], place);
    assert.doesNotMatch(text, /BEGIN USER NKEY SEED/, place);
  }
});

test('no sealed seed is left over for a user that was deleted', () => {
  const rows = execFileSync('sqlite3', [join(data, 'natsid.db'), 'SELECT count(*) FROM vault '
    + "WHERE owner_table = 'users' AND owner_id NOT IN (SELECT id FROM users)"], { encoding: 'utf8' });
  assert.equal(rows.trim(), '0');
});

test('the data directory and all in it are the owner\'s alone', async () => {
  assert.equal((await stat(data)).mode & 0o777, 0o700);
  for (const name of ['natsid.db', 'natsid.db-wal', 'natsid.db-shm', 'master.key', 'lock', 'heartbeat']) {
    assert.equal(modes[name]?.toString(8), '600', name);
  }
});

test('no core file and no debugger can take the memory of the daemon to a file', async (t) => {
  const daemon = serve(['--data', data, '--listen', '127.0.0.1:0', '--nats', 'nats://127.0.0.1:1']);
  await daemon.listening();
  t.after(() => daemon.stop('SIGKILL'));
  const limits = await readFile(`/proc/${daemon.child.pid}/limits`, 'utf8');
  assert.match(limits, /^Max core file size +0 +0 /m);
  // Of a process that cannot be dumped these belong to root, whoever runs it.
  const { uid } = await stat(`/proc/${daemon.child.pid}/environ`);
  assert.equal(uid, 0);
});
