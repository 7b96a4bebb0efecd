// Commands, options, environment and configuration file.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { contents, initialised, operatorOf, scratch, serve } from './lib/command.mjs';
import { binary, must, natsid, request } from './lib/natsid.mjs';
import { launch, root } from './lib/processes.mjs';

const nats = ['nats-max-primary-retries', 'nats-initial-backoff', 'nats-max-backoff', 'nats-backoff-multiplier',
  'nats-failback-interval', 'nats-connect-timeout', 'nats-publish-timeout', 'nats-request-timeout', 'nats-ca', 'nats-cert',
  'nats-key'];

const commands = {
  init: ['data', 'key-file', 'config', 'operator'],
  serve: ['data', 'key-file', 'config', 'operator', 'listen', 'nats', 'log-level', 'jwt-lifetime', 'role-pace', 'tombstone-ttl', ...nats],
  'superuser upsert': ['data', 'key-file', 'config'],
  'export operator-jwt': ['data', 'key-file', 'config', 'output'],
  'export nats-conf': ['data', 'key-file', 'config', 'output', 'server-name', 'port', 'jetstream'],
  'account quarantine': ['data', 'key-file', 'config'],
  'account adopt': ['data', 'key-file', 'config', 'all'],
  'account override': ['data', 'key-file', 'config', 'all'],
  version: [],
};

/** It is refused as wrong usage, with a message that says this, and prints nothing else. */
async function refused(args, message, options) {
  const { code, stdout, stderr } = await natsid(args, options);
  assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
  assert.match(stderr, message);
  assert.equal(stdout, '');
}

test('--help, -h and help list all commands on standard output', async () => {
  for (const word of ['--help', '-h', 'help']) {
    const { code, stdout, stderr } = await natsid([word]);
    assert.deepEqual([code, stderr], [0, '']);
    for (const command of Object.keys(commands)) assert.ok(stdout.includes(`natsid ${command}`), command);
  }
});

test('every command has --help with all of its options and no others', async () => {
  for (const [command, options] of Object.entries(commands)) {
    for (const help of ['--help', '-h']) {
      const { code, stdout, stderr } = await natsid([...command.split(' '), help]);
      assert.deepEqual([code, stderr], [0, ''], command);
      const listed = [...stdout.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name).filter((name) => name !== 'help');
      assert.deepEqual(listed, options, command);
    }
  }
});

test('export --help and superuser --help list what follows', async () => {
  const { code, stdout } = await natsid(['export', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /export operator-jwt[^]*export nats-conf/);
  assert.doesNotMatch(stdout, /natsid init/);
  assert.equal((await natsid(['superuser', '-h'])).code, 0);
});

test('no command, an unknown one and half of one are wrong usage, and named', async () => {
  await refused([], /natsid serve/);
  await refused(['start'], /unknown command "start"/);
  await refused(['export', 'seeds'], /unknown command "export seeds"/);
  await refused(['export'], /export operator-jwt/);
  await refused(['--data', 'x', 'init'], /unknown command "--data"/);
});

test('an unknown option, one of another command, one without a value and a stray argument are named', async () => {
  await refused(['init', '--operatr', 'x'], /unknown option --operatr\n.*natsid init --help/);
  await refused(['init', '--listen', '127.0.0.1:0'], /unknown option --listen/);
  await refused(['version', '--data', 'x'], /unknown option --data/);
  await refused(['init', '--data'], /--data needs a value: DIR/);
  await refused(['serve', '--role-pace', '-1'], /--role-pace: "-1" is not a number of accounts \(0 to 100000\)/);
  await refused(['serve', '--tombstone-ttl', '-1'], /--tombstone-ttl: "-1": use days, from 0 to 36500/);
  await refused(['serve', '--log-level', 'loud'], /--log-level "loud": use debug, info, warn or error/);
  await refused(['serve', '--jwt-lifetime', 'soon'], /--jwt-lifetime "soon": use seconds, from 0/);
  await refused(['serve', '--jwt-lifetime', '-1'], /--jwt-lifetime "-1": use seconds, from 0/);
  await refused(['init', 'now'], /unexpected argument "now"/);
  await refused(['superuser', 'upsert', 'a@example.org', '-', 'x'], /unexpected argument "x"/);
});

test('version tells natsid, its schema and its libraries', async () => {
  const { code, stdout, stderr } = await natsid(['version']);
  assert.deepEqual([code, stderr], [0, '']);
  const version = (await readFile(join(root, 'VERSION'), 'utf8')).trim();
  const [first, second, rest] = stdout.split('\n');
  assert.match(first, /^natsid \S+ \(schema [1-9]\d*\)$/);
  assert.equal(first.split(' ')[1], version);
  assert.match(second, /^civetweb \S+, jansson \S+, libsodium \S+, nats\.c \S+, sqlite \S+$/);
  assert.equal(rest, '');
});

test('a flag wins over the environment, that over the file, and that over the default', async (t) => {
  const directory = await scratch(t);
  const file = join(directory, 'natsid.json');
  await writeFile(file, JSON.stringify({ operator: 'from-file', port: 4333, server_name: 'file-1', listen: '127.0.0.1:1' }));
  const config = ['--config', file];
  const env = { NATSID_OPERATOR: 'from-environment' };
  const name = async (data) => (await operatorOf(data)).name;
  assert.equal(await name(await initialised(directory, 'a')), 'natsid');
  assert.equal(await name(await initialised(directory, 'b', config)), 'from-file');
  await natsid(['init', '--data', join(directory, 'c'), ...config], { env });
  assert.equal(await name(join(directory, 'c')), 'from-environment');
  await natsid(['init', '--data', join(directory, 'd'), '--operator=from-flag', ...config], { env });
  assert.equal(await name(join(directory, 'd')), 'from-flag');

  const conf = async (args, environment) => {
    const { stdout } = await natsid(['export', 'nats-conf', '--data', join(directory, 'a'), ...args], { env: environment });
    return [/^server_name: "(.*)"$/m.exec(stdout)[1], /^port: (\d+)$/m.exec(stdout)[1]];
  };
  assert.deepEqual(await conf([]), ['natsid-1', '4222']);
  assert.deepEqual(await conf(config), ['file-1', '4333']);
  assert.deepEqual(await conf([], { NATSID_CONFIG: file }), ['file-1', '4333']);
  assert.deepEqual(await conf(config, { NATSID_PORT: '4444', NATSID_SERVER_NAME: 'env-1' }), ['env-1', '4444']);
  assert.deepEqual(await conf([...config, '--port', '4555'], { NATSID_PORT: '4444' }), ['file-1', '4555']);
  // an empty variable is none: that is how one is switched off
  assert.deepEqual(await conf([], { NATSID_PORT: '' }), ['natsid-1', '4222']);
});

test('the data directory is ./natsid-data when nothing says another', async (t) => {
  const directory = await scratch(t);
  const { ended } = launch(binary, ['init'], { cwd: directory });
  assert.equal((await ended).code, 0);
  assert.deepEqual(await readdir(directory), ['natsid-data']);
});

test('what is wrong with a configuration file is said with its name, and nothing is made', async (t) => {
  const directory = await scratch(t);
  const file = join(directory, 'natsid.json');
  const data = join(directory, 'data');
  const wrong = [
    ['{"operator": "x"', /natsid\.json.*line 1/],
    ['{"operator": "x", "operator": "y"}', /natsid\.json.*duplicate/i],
    ['["operator"]', /natsid\.json: not a JSON object/],
    ['', /natsid\.json/],
    ['{"operater": "x"}', /natsid\.json: unknown key "operater"/],
    ['{"config": "x"}', /unknown key "config"/],
    ['{"operator": ["x"]}', /natsid\.json: "operator" is not a string/],
    ['{"operator": true}', /"operator" is not a string/],
    ['{"operator": null}', /"operator" is not a string/],
    ['{"port": 4.5}', /"port" is not a string/],
    [Buffer.from('{"operator": "\xff"}', 'latin1'), /natsid\.json: line 1.*0xff/],
    ['{"operator": "a\\u0000b"}', /natsid\.json/],
    [`{"operator": "${'x'.repeat(70_000)}"}`, /natsid\.json/],
  ];
  for (const [text, message] of wrong) {
    await writeFile(file, text);
    await refused(['init', '--data', data, '--config', file], message);
  }
  await refused(['init', '--data', data, '--config', join(directory, 'none.json')], /configuration .*none\.json: cannot be read: No such file/);
  await refused(['init', '--data', data, '--config', directory], /configuration .*: cannot be read/);
  assert.deepEqual(await readdir(directory), ['natsid.json']);
});

test('one file serves all commands', async (t) => {
  const directory = await scratch(t);
  const file = join(directory, 'natsid.json');
  const data = join(directory, 'data');
  await writeFile(file, JSON.stringify({ data, operator: 'all', listen: '127.0.0.1:0', nats: 'nats://127.0.0.1:1', port: '4777' }));
  assert.equal((await natsid(['init', '--config', file])).code, 0);
  const { code } = await natsid(['superuser', 'upsert', 'a@example.org', '-', '--config', file], { input: 'long enough\n' });
  assert.equal(code, 0);
  assert.match((await natsid(['export', 'nats-conf', '--config', file])).stdout, /^port: 4777$/m);
  const daemon = serve(['--config', file]);
  assert.equal((await request(await daemon.listening(), 'GET', '/healthz')).status, 200);
  assert.equal((await daemon.stop()).code, 0);
});

test('a wrong --listen or --nats is named, and nothing is made', async (t) => {
  const directory = await scratch(t);
  const data = join(directory, 'data');
  const start = (args) => ['serve', '--data', data, ...args];
  for (const listen of ['8090', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:-1', ':8090', '127.0.0.1:8090x', '::1']) {
    await refused(start(['--listen', listen]), /--listen.*is not HOST:PORT/);
  }
  for (const listen of ['0.0.0.0:0', '[::]:0', '192.0.2.1:80', 'example.org:80', '127.example.org:80']) {
    await refused(start(['--listen', listen]), /--listen/);
  }
  for (const nats of ['', 'http://127.0.0.1', 'nats://', 'nats://127.0.0.1:99999', 'nats://127.0.0.1,,']) {
    await refused(start(['--listen', '127.0.0.1:0', `--nats=${nats}`]), /--nats|NATS/);
  }
  await refused(start(['--listen', '127.0.0.1:0', '--nats', Array(100).fill('nats://127.0.0.1').join(',')]), /--nats.*more than/);
  assert.deepEqual(await contents(data), {});
});

test('a taken port is named, with the flag that changes it', async (t) => {
  const directory = await scratch(t);
  const taken = createServer();
  await new Promise((resolve) => { taken.listen(0, '127.0.0.1', resolve); });
  t.after(() => taken.close());
  const address = `127.0.0.1:${taken.address().port}`;
  const message = new RegExp(`--listen.*${address.replaceAll('.', '\\.')}.*in use`, 'i');
  const data = join(directory, 'data');
  const first = await natsid(['serve', '--data', data, '--listen', address]);
  assert.equal(first.code, 3);
  assert.match(first.stderr, message);
  assert.deepEqual(await readdir(directory), []); // nothing is made for nothing
  await must(['init', '--data', data]);
  const second = await natsid(['serve', '--data', data, '--listen', address]);
  assert.equal(second.code, 3);
  assert.match(second.stderr, message);
});

test('localhost is this host, and so is ::1 where the HTTP library has IPv6', async (t) => {
  const directory = await scratch(t);
  const nats = ['--nats', 'nats://127.0.0.1:1'];
  const start = (listen) => serve(['--data', join(directory, 'data'), '--listen', listen, ...nats]);
  const v4 = start('localhost:0');
  assert.equal((await request(await v4.listening(), 'GET', '/healthz')).status, 200);
  assert.equal((await v4.stop()).code, 0);
  const v6 = start('[::1]:0');
  try {
    assert.equal((await request(await v6.listening(), 'GET', '/healthz')).status, 200);
    assert.equal((await v6.stop()).code, 0);
  } catch (error) {
    assert.match(v6.output.stderr, /cannot listen on \[::1\]:0: the civetweb of this system has no IPv6/, error.message);
  }
});

test('superuser upsert reads the password from standard input, and the argument works with a warning', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const email = 'root@example.org';
  const upsert = (password, input) => natsid(['superuser', 'upsert', email, password, '--data', data], { input });
  const daemon = serve(['--data', data, '--listen', '127.0.0.1:0', '--nats', 'nats://127.0.0.1:1']);
  const url = await daemon.listening();
  const login = async (password) => {
    const path = '/api/collections/_superusers/auth-with-password';
    return (await request(url, 'POST', path, { identity: email, password })).status;
  };
  const longest = 'é'.repeat(64); // 128 bytes
  for (const [input, password, said] of [
    ['with a newline\n', 'with a newline', 'Made superuser'],
    ['without one', 'without one', 'Set the password'],
    ['of a DOS file\r\n', 'of a DOS file', 'Set the password'],
    ['the first line\nand another\n', 'the first line', 'Set the password'],
    ['  blanks stay  \n', '  blanks stay  ', 'Set the password'],
    [`${longest}\n`, longest, 'Set the password'],
  ]) {
    const { code, stdout, stderr } = await upsert('-', input);
    assert.deepEqual([code, stderr], [0, ''], JSON.stringify(input));
    assert.match(stdout, new RegExp(`${said}.*root@example.org`));
    assert.ok(!stdout.includes(password.trim()));
    assert.equal(await login(password), 200, JSON.stringify(password));
  }
  const { code, stderr } = await upsert('on the command line');
  assert.equal(code, 0);
  assert.match(stderr, /warning: other users of this host can see a password on the command line/);
  assert.ok(!stderr.includes('on the command line;') || !stderr.includes('"on the command line"'));
  assert.equal(await login('on the command line'), 200);
  assert.equal((await daemon.stop()).code, 0);
});

test('an unusable password or e-mail is refused with the reason, and no superuser comes of it', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const before = await contents(data);
  const fails = async (email, password, input, message, exit) => {
    const { code, stdout, stderr } = await natsid(['superuser', 'upsert', email, password, '--data', data], { input });
    assert.ok(exit.includes(code), `${code}: ${stderr}`);
    assert.match(stderr, message);
    assert.equal(stdout, '');
  };
  await fails('a@example.org', '-', '', /no password on standard input/, [2]);
  await fails('a@example.org', '-', '\n', /no password on standard input/, [2]);
  await fails('a@example.org', '-', `${'x'.repeat(129)}\n`, /password.*(long|at most)/i, [1, 2]);
  await fails('a@example.org', '-', `${'x'.repeat(100_000)}\n`, /password.*(long|at most)/i, [1, 2]);
  await fails('a@example.org', '-', Buffer.from('caf\xe9 and more\n', 'latin1'), /not UTF-8/, [2]);
  await fails('a@example.org', '-', 'nul\0inside it\n', /holds a NUL/, [2]);
  await fails('a@example.org', '-', 'short\n', /password.*8/i, [1, 2]);
  await fails('a@example.org', 'short', '', /password.*8/i, [1, 2]);
  await fails('no address', '-', 'long enough\n', /email/i, [1, 2]);
  await fails('', '-', 'long enough\n', /email/i, [1, 2]);
  assert.deepEqual(await contents(data), before);
  const usage = (args) => refused(['superuser', 'upsert', ...args, '--data', data], /takes EMAIL and -/);
  await usage([]);
  await usage(['a@example.org']);
});
