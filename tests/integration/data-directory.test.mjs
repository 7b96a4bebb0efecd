// The data directory: made once, used by one, and never taken for empty when a part of it is missing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { contents, initialised, operatorOf, scratch, serve } from './lib/command.mjs';
import { freePort, NatsServer } from './lib/nats.mjs';
import { must, natsid, request } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';

const local = ['--listen', '127.0.0.1:0', '--nats', 'nats://127.0.0.1:1'];
const start = (data, args = []) => serve(['--data', data, ...local, ...args]);
const mode = async (path) => ((await stat(path)).mode & 0o777).toString(8);

/** Every command that opens it refuses it with this exit code and message, and changes nothing. */
async function allRefuse(data, message, { args = [], exit = 4 } = {}) {
  const before = await contents(data);
  for (const [command, input] of [
    [['serve', ...local]], [['init']], [['superuser', 'upsert', 'a@example.org', '-'], 'long enough\n'],
    [['export', 'operator-jwt']], [['export', 'nats-conf']],
  ]) {
    const { code, stdout, stderr } = await natsid([...command, '--data', data, ...args], { input });
    assert.equal(code, exit, `${command.join(' ')}: ${stderr}`);
    assert.match(stderr, message, command.join(' '));
    assert.doesNotMatch(stdout + stderr, /made (a|the)? ?(new )?operator/i);
    assert.deepEqual(await contents(data), before, `${command.join(' ')} changed nothing`);
  }
}

test('init makes a private directory, and a second init changes nothing', async (t) => {
  const directory = await scratch(t);
  const data = join(directory, 'data');
  const first = await natsid(['init', '--data', data, '--operator', 'Acme "1" \\ Ω']);
  assert.deepEqual([first.code, first.stderr], [0, '']);
  assert.match(first.stdout, /Made the operator "Acme "1" \\ Ω"[^]*Back up natsid\.db and master\.key/);
  assert.equal(await mode(data), '700');
  for (const name of ['natsid.db', 'master.key', 'lock']) assert.equal(await mode(join(data, name)), '600', name);
  const before = await contents(data);
  assert.equal((await operatorOf(data)).name, 'Acme "1" \\ Ω');
  const { code, stdout } = await natsid(['init', '--data', data, '--operator', 'Other']);
  assert.equal(code, 0);
  assert.match(stdout, /has an operator already; nothing was changed/);
  assert.equal((await operatorOf(data)).name, 'Acme "1" \\ Ω');
  assert.equal((await contents(data))['master.key'], before['master.key']);
});

test('an operator name that no JWT or log can hold is wrong usage', async (t) => {
  const data = join(await scratch(t), 'data');
  for (const name of ['', ' ', 'a\nb', 'x'.repeat(101)]) {
    const { code, stderr } = await natsid(['init', '--data', data, `--operator=${name}`]);
    assert.equal(code, 2, `${JSON.stringify(name)}: ${stderr}`);
    assert.match(stderr, /name/i);
  }
  assert.equal((await natsid(['init', '--data', data, '--operator', 'x'.repeat(100)])).code, 0);
});

test('serve initialises a missing or an empty directory by itself', async (t) => {
  const directory = await scratch(t);
  await mkdir(join(directory, 'empty'));
  for (const name of ['missing', 'empty', 'with a blank, "quotes", \\ and Ω']) {
    const data = join(directory, name);
    const daemon = start(data, ['--operator', 'Made by serve']);
    await daemon.listening();
    assert.equal((await operatorOf(data)).name, 'Made by serve');
    await until('it says how to make a superuser', () => /no superuser yet.*natsid superuser upsert EMAIL -/.test(daemon.output.stderr));
    for (const file of await readdir(data)) {
      if (file !== 'nats') assert.equal(await mode(join(data, file)), '600', file);
    }
    assert.equal((await daemon.stop()).code, 0);
    assert.deepEqual(Object.keys(await contents(data)).sort(), ['heartbeat', 'master.key', 'natsid.db']);
  }
});

test('with the wrong directory serve says that it made an operator, and why servers refuse it', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  for (const which of ['newest', 'oldest']) {
    const port = await freePort();
    const { stdout: configuration } = await must(['export', 'nats-conf', '--data', data, '--server-name', which, '--port', `${port}`]);
    const server = new NatsServer({ which, name: which, port, directory, configuration });
    await server.start();
    t.after(() => server.stop('SIGKILL'));
    const daemon = start(join(directory, `not ${which}`), ['--nats', server.url]);
    t.after(() => daemon.stop('SIGKILL'));
    const url = await daemon.listening();
    assert.match(daemon.output.stderr, /warn made a new operator; servers of another one will refuse it .*data=.*not /);
    // A server may hang up before it says why: natsid tries again.
    const error = await until('it was refused', async () => {
      const { nats } = (await request(url, 'GET', '/readyz')).body;
      if (!/Authorization/.test(nats.error)) throw new Error(nats.error);
      return nats.error;
    }, { deadline: 20_000 });
    assert.equal(error, 'cannot connect: Authorization Violation; perhaps the server trusts another operator than that of this data directory (--data)');
    assert.equal((await daemon.stop()).code, 0);
    await server.stop();
  }
});

test('an operator is made once, whatever is started how often', async (t) => {
  const data = join(await scratch(t), 'data');
  const daemons = [1, 2, 3].map(() => start(data));
  const outcomes = await Promise.allSettled(daemons.map((daemon) => daemon.listening()));
  const winners = daemons.filter((_, i) => outcomes[i].status === 'fulfilled');
  assert.equal(winners.length, 1);
  for (const loser of daemons.filter((daemon) => daemon !== winners[0])) {
    assert.equal((await loser.ended).code, 3);
    assert.match(loser.output.stderr, /another natsid \(process \d+\) uses the data directory/);
  }
  const { sub } = await operatorOf(data);
  assert.equal((await winners[0].stop()).code, 0);
  const again = start(data);
  await again.listening();
  assert.equal((await operatorOf(data)).sub, sub);
  assert.equal((await again.stop()).code, 0);
});

test('a second process is refused with the first one named; the other commands work beside it', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const daemon = start(data);
  const url = await daemon.listening();
  const named = new RegExp(`another natsid \\(process ${daemon.child.pid}\\) uses the data directory ${data}`);
  for (const command of [['serve', ...local], ['init']]) {
    const { code, stderr } = await natsid([...command, '--data', data]);
    assert.equal(code, 3);
    assert.match(stderr, named);
  }
  assert.equal((await natsid(['superuser', 'upsert', 'a@example.org', '-', '--data', data], { input: 'long enough\n' })).code, 0);
  assert.equal((await natsid(['export', 'nats-conf', '--data', data])).code, 0);
  assert.equal((await request(url, 'GET', '/readyz')).status, 200);
  assert.equal((await daemon.stop()).code, 0);
});

test('the lock of a killed process does not keep the next one out', async (t) => {
  const data = await initialised(await scratch(t));
  for (let i = 0; i < 3; i += 1) {
    const daemon = start(data);
    await daemon.listening();
    await daemon.stop('SIGKILL');
  }
  const daemon = start(data);
  await daemon.listening();
  assert.equal((await daemon.stop()).code, 0);
});

test('a database of a newer natsid is refused and left alone', async (t) => {
  const data = await initialised(await scratch(t));
  execFileSync('sqlite3', [join(data, 'natsid.db'), 'PRAGMA user_version = 9999']);
  await allRefuse(data, /a newer natsid made this database: its schema is 9999/);
});

test('a database of another program, or one that is none, is refused and left alone', async (t) => {
  const data = await initialised(await scratch(t));
  const file = join(data, 'natsid.db');
  await rm(file);
  execFileSync('sqlite3', [file, 'CREATE TABLE t (a); INSERT INTO t VALUES (1)']);
  await allRefuse(data, /database of another program/);
  await writeFile(file, 'this is no database, but a text that somebody put here\n'.repeat(100));
  await allRefuse(data, /not a database|damaged|malformed/i);
});

test('without its master key the database is refused, and no new operator is made over it', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const { sub } = await operatorOf(data);
  await rename(join(data, 'master.key'), join(directory, 'kept'));
  await allRefuse(data, /master key .*master\.key is missing.*restore it from its backup/);
  await rename(join(directory, 'kept'), join(data, 'master.key'));
  assert.equal((await operatorOf(data)).sub, sub);
});

test('the master key of another directory is told apart from a damaged database', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const other = await initialised(directory, 'other');
  await copyFile(join(other, 'master.key'), join(data, 'master.key'));
  await allRefuse(data, /master key/i);
  const damaged = await initialised(directory, 'damaged');
  const flip = "UPDATE vault_slots SET wrapped = zeroblob(72)";
  execFileSync('sqlite3', [join(damaged, 'natsid.db'), flip]);
  await allRefuse(damaged, /damaged/i);
  const wrong = await natsid(['export', 'operator-jwt', '--data', data]);
  const broken = await natsid(['export', 'operator-jwt', '--data', damaged]);
  assert.notEqual(wrong.stderr, broken.stderr);
});

test('a damaged master key, or one that others can read, is refused', async (t) => {
  const data = await initialised(await scratch(t));
  const file = join(data, 'master.key');
  const good = await readFile(file, 'utf8');
  const secret = good.trim().split(' ')[1];
  for (const text of ['', '\n', good.slice(0, -3), good.replace('natsid', 'others'), `${good}${good}`, `${good}x`, good.replace(secret, '!'.repeat(43))]) {
    await writeFile(file, text);
    await allRefuse(data, /master\.key is not a master key of natsid/);
  }
  await writeFile(file, good);
  for (const bits of [0o640, 0o604, 0o660]) {
    await chmod(file, bits);
    await allRefuse(data, /others may use the master key .*chmod 600/);
  }
  await chmod(file, 0o600);
  assert.equal((await natsid(['export', 'operator-jwt', '--data', data])).code, 0);
  await rm(file);
  await mkdir(file, { mode: 0o700 });
  await allRefuse(data, /master key .*master\.key is not a file/);
});

test('a master key without its database is refused, and stays', async (t) => {
  const data = await initialised(await scratch(t));
  await rm(join(data, 'natsid.db'));
  await allRefuse(data, /master\.key is there, but natsid\.db is missing/);
});

test('--key-file keeps the key elsewhere', async (t) => {
  const directory = await scratch(t);
  const key = join(directory, 'elsewhere.key');
  const data = await initialised(directory, 'data', ['--key-file', key]);
  assert.deepEqual(Object.keys(await contents(data)), ['natsid.db']);
  assert.equal(await mode(key), '600');
  await allRefuse(data, /master key .*data\/master\.key is missing/);
  const daemon = start(data, ['--key-file', key]);
  await daemon.listening();
  assert.equal((await daemon.stop()).code, 0);
  assert.ok((await operatorOf(data, ['--key-file', key])).sub);
});

test('commands that need a data directory say what makes one, and make none', async (t) => {
  const directory = await scratch(t);
  const data = join(directory, 'none');
  for (const command of [['superuser', 'upsert', 'a@example.org', '-'], ['export', 'operator-jwt'], ['export', 'nats-conf']]) {
    const { code, stderr } = await natsid([...command, '--data', data], { input: 'long enough\n' });
    assert.equal(code, 4);
    assert.match(stderr, /no data directory .*none.*name it by --data DIR; natsid init makes a new operator/);
  }
  const below = await natsid(['init', '--data', join(directory, 'none', 'below')]);
  assert.equal(below.code, 4);
  assert.match(below.stderr, /cannot make the data directory .*below: No such file or directory/);
  assert.deepEqual(await readdir(directory), []);
});

test('a restored backup is the same system', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const daemon = start(data);
  await daemon.listening();
  const restored = join(directory, 'restored');
  await mkdir(restored);
  execFileSync('sqlite3', [join(data, 'natsid.db'), `.backup '${join(restored, 'natsid.db')}'`]);
  await cp(join(data, 'master.key'), join(restored, 'master.key'));
  assert.equal((await daemon.stop()).code, 0);
  assert.equal((await operatorOf(restored)).sub, (await operatorOf(data)).sub);
});
