// The seed of the operator's identity leaves for a file and is destroyed: all daily work goes on without it.
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test as plainTest } from 'node:test';
import { fromSeed } from '@nats-io/nkeys';
import { initialised, scratch } from './lib/command.mjs';
import { binary, must, natsid } from './lib/natsid.mjs';
import { operatorClaims, restart, sql } from './lib/operator.mjs';
import { launch } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const exportSeeds = ['operator', 'export', '--seeds'];
const nowhere = ['--nats', 'nats://127.0.0.1:1'];

/** {identity, signing: [...]}: the seeds in an exported text. */
function seedsIn(text) {
  const found = (what) => [...text.matchAll(new RegExp(`-----BEGIN OPERATOR ${what} SEED-----\n(SO[A-Z2-7]{56})\n`, 'g'))]
    .map(([, seed]) => seed);
  const [identity] = found('IDENTITY');
  return { identity, signing: found('SIGNING') };
}

const publicKey = (seed) => fromSeed(Buffer.from(seed)).getPublicKey();

plainTest('what is exported are the seeds of the keys that the JWT names', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const file = join(directory, 'operator.seeds');
  const { stdout } = await must([...exportSeeds, '--data', data, '--output', file]);
  assert.doesNotMatch(stdout, /SO[A-Z2-7]{56}/);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const { identity, signing } = seedsIn(await readFile(file, 'utf8'));
  const claims = await operatorClaims(data);
  assert.equal(publicKey(identity), claims.sub);
  assert.deepEqual(signing.map(publicKey), claims.nats.signing_keys);
  assert.equal(sql(data, "SELECT actor || ' ' || action FROM audit ORDER BY seq DESC LIMIT 1"), 'console export-seeds');
});

plainTest('seeds never overwrite a file, and are not written where others can read', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const file = join(directory, 'taken');
  await writeFile(file, 'something else');
  const taken = await natsid([...exportSeeds, '--data', data, '--output', file, '--forget-identity']);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /taken exists/);
  assert.equal(await readFile(file, 'utf8'), 'something else');

  for (const [mode, code] of [[0o644, 2], [0o600, 0]]) {
    const path = join(directory, `out-${mode}`);
    await writeFile(path, '');
    await chmod(path, mode);
    const shell = launch('sh', ['-c', `exec '${binary}' operator export --seeds --data '${data}' > '${path}'`]);
    assert.equal((await shell.ended).code, code, shell.output.stderr);
    assert.equal((await readFile(path, 'utf8')).includes('BEGIN OPERATOR IDENTITY'), code === 0);
  }
  const piped = await must([...exportSeeds, '--data', data]);
  assert.ok(seedsIn(piped.stdout).identity);
  // a screen of its own: script(1) is one
  const screen = launch('script', ['-qec', `'${binary}' operator export --seeds --data '${data}'`, '/dev/null']);
  assert.equal((await screen.ended).code, 2, screen.output.stdout);
  assert.match(screen.output.stdout, /not for a screen/);
  assert.doesNotMatch(screen.output.stdout, /SO[A-Z2-7]{56}/);

  const unnamed = await natsid(['operator', 'export', '--data', data]);
  assert.equal(unnamed.code, 2);
  const nowhereToGo = await natsid([...exportSeeds, '--forget-identity', '--data', data]);
  assert.equal(nowhereToGo.code, 2);
  assert.match(nowhereToGo.stderr, /--output FILE/);
  assert.equal(sql(data, "SELECT count(*) FROM vault WHERE owner_table = 'operator'"), '1', 'nothing was forgotten');
});

/** Every file of the data directory that holds these bytes. */
async function filesWith(data, bytes) {
  const found = [];
  for (const name of await readdir(data)) {
    const path = join(data, name);
    if ((await stat(path)).isFile() && (await readFile(path)).includes(bytes)) found.push(name);
  }
  return found;
}

onStage('after the identity was forgotten', {}, (stage, test) => {
  let file, sealed, account, role, user, client;

  const identityOnline = async () => {
    const { items: [operator] } = await stage.api('GET', '/api/collections/nats_system_operator/records');
    return operator.identity_online;
  };

  test('its sealed seed is in no file, while natsid serves', async () => {
    assert.equal(await identityOnline(), true);
    sealed = Buffer.from(sql(stage.data, "SELECT hex(sealed) FROM vault WHERE owner_table = 'operator'"), 'hex');
    assert.equal(sealed.length, 77);
    assert.notDeepEqual(await filesWith(stage.data, sealed), [], 'it can be found');
    file = join(stage.directory, 'operator.seeds');
    const { stderr } = await must([...exportSeeds, '--forget-identity', '--data', stage.data, '--output', file]);
    assert.equal(stderr, '');
    assert.deepEqual(await filesWith(stage.data, sealed), []);
    assert.equal(await identityOnline(), false);
    assert.equal(publicKey(seedsIn(await readFile(file, 'utf8')).identity), (await operatorClaims(stage.data)).sub);
    assert.equal(sql(stage.data, "SELECT actor || ' ' || action FROM audit ORDER BY seq DESC LIMIT 1"), 'console forget-identity');
  });

  test('it cannot be exported or forgotten again', async () => {
    for (const more of [[], ['--forget-identity']]) {
      const path = join(stage.directory, 'again.seeds');
      const { code, stdout, stderr } = await natsid([...exportSeeds, ...more, '--data', stage.data, '--output', path]);
      assert.equal(code, 1);
      assert.match(stderr, /not here any more/);
      assert.doesNotMatch(stdout + stderr, /SO[A-Z2-7]{56}/);
      await assert.rejects(stat(path), { code: 'ENOENT' });
    }
  });

  test('accounts, roles and users are made, changed and connect', async () => {
    account = await stage.createAccount('acme', { max_connections: 10 });
    role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    user = await stage.createUser('sensor-1', account, role);
    await stage.proven(account);
    client = await stage.connect(user.creds_file);
    await client.reaches(client, 'data.one');
    await stage.change(account, { max_connections: 20 });
    const since = performance.now();
    await stage.change(role, { publish_permissions: ['data.public'] });
    await client.cutAndBack(since);
    await stage.proven(account);
    await client.isRefusedToPublish('data.secret');
  });

  test('users and accounts are suspended and come back', async () => {
    await stage.change(user, { active: false });
    await stage.proven(account);
    await stage.assertRefused(user.creds_file);
    await stage.change(user, { active: true });
    await stage.proven(account);
    await stage.connect(user.creds_file);
    await stage.change(account, { active: false });
    await stage.proven(account);
    await stage.assertRefused(user.creds_file);
    await stage.change(account, { active: true });
    await stage.proven(account);
    await stage.connect(user.creds_file);
  });

  test('the keys of an account are rotated, in a rollout and at once', async () => {
    const keys = async () => (await stage.read(account)).signing_keys;
    const before = await keys();
    await stage.change(account, { add_signing_key: true });
    await stage.proven(account);
    assert.ok((await keys()).length > before.length);
    await stage.connect(user.creds_file);
    await stage.change(account, { remove_signing_key: before[0] });
    await stage.proven(account);
    assert.ok(!(await keys()).includes(before[0]));
    await stage.connect(await stage.creds(user));
    const old = await stage.creds(user);
    await stage.change(account, { rotate_keys: true });
    await stage.proven(account);
    await stage.assertRefused(old);
    user.creds_file = await stage.creds(user);
    await stage.connect(user.creds_file);
  });

  test('accounts and users are removed', async () => {
    const other = await stage.createUser('sensor-2', account, role);
    await stage.proven(account);
    await stage.remove(other);
    await stage.proven(account);
    await stage.assertRefused(other.creds_file);
    await stage.remove(await stage.createAccount('gone'));
  });

  test('natsid starts again, and exports its configuration', async () => {
    await stage.stopDaemon();
    await stage.startDaemon();
    await must(['export', 'nats-conf', '--data', stage.data]);
    await stage.change(account, { max_connections: 30 });
    await stage.proven(account);
  });

  test('only the operator\'s JWT cannot be minted anew, and the error says how it can', async () => {
    const before = await operatorClaims(stage.data);
    for (const args of [['operator', 'rotate-signing-key', ...nowhere], ['operator', 'set', '--tags', 'a']]) {
      const { code, stderr } = await natsid([...args, '--data', stage.data]);
      assert.equal(code, 1);
      assert.match(stderr, /offline: give the file .* on standard input, with --identity -/);
    }
    assert.deepEqual(await operatorClaims(stage.data), before);
    // the seed on the command line, another operator's seed, a user's creds, and nothing
    const seeds = seedsIn(await readFile(file, 'utf8'));
    const onLine = await natsid(['operator', 'set', '--tags', 'a', '--data', stage.data, '--identity', seeds.identity]);
    assert.equal(onLine.code, 2);
    for (const input of [seeds.signing[0], user.creds_file, '', seeds.identity.slice(0, -1)]) {
      const { code, stdout, stderr } = await natsid(['operator', 'set', '--tags', 'a', '--data', stage.data, '--identity', '-'], { input });
      assert.equal(code, 2);
      assert.match(stderr, /is not in what was given/);
      if (input !== '') assert.ok(!(stdout + stderr).includes(input.slice(2, 40)));
    }
    assert.deepEqual(await operatorClaims(stage.data), before);
  });

  test('with the seed on standard input it is minted anew, and the seed is not kept', async () => {
    const text = await readFile(file, 'utf8');
    await must(['operator', 'set', '--data', stage.data, '--identity', '-', '--tags', 'env:prod,team',
      '--service-urls', 'nats://a.example.org:4222,tls://b.example.org:4222', '--account-server-url', 'https://c.example.org/jwt/v1',
      '--assert-server-version', '2.10.0'], { input: text });
    const { nats } = await operatorClaims(stage.data);
    assert.deepEqual(nats.tags, ['env:prod', 'team']);
    assert.deepEqual(nats.operator_service_urls, ['nats://a.example.org:4222', 'tls://b.example.org:4222']);
    assert.equal(nats.account_server_url, 'https://c.example.org/jwt/v1');
    assert.equal(nats.assert_server_version, '2.10.0');
    // the bare seed is enough; what is not named stays
    await must(['operator', 'set', '--data', stage.data, '--identity', '-', '--strict-signing-keys', 'on'], { input: seedsIn(text).identity });
    const strict = (await operatorClaims(stage.data)).nats;
    assert.equal(strict.strict_signing_key_usage, true);
    assert.deepEqual(strict.tags, nats.tags);
    assert.equal(await identityOnline(), false);
    assert.equal(sql(stage.data, "SELECT count(*) FROM vault WHERE owner_table = 'operator'"), '0');
    const { items: [shown] } = await stage.api('GET', '/api/collections/nats_system_operator/records');
    assert.deepEqual(shown.operator_service_urls, nats.operator_service_urls);
    assert.equal(shown.strict_signing_key_usage, true);
  });

  test('servers take that JWT, strictness and all', async () => {
    await restart(stage, stage.servers[0]);
    await stage.change(account, { max_connections: 40 });
    await stage.proven(account);
    const back = await stage.connect(user.creds_file);
    await back.reaches(back, 'data.public');
  });

  test('claims that servers would not take are refused, with the reason', async () => {
    const input = await readFile(file, 'utf8');
    const before = await operatorClaims(stage.data);
    for (const [args, reason] of [
      [['--service-urls', 'http://a.example.org'], /is not of nats, tls, ws or wss/],
      [['--assert-server-version', '2.x'], /assert_server_version/],
      [['--tags', 'a,,b'], /empty entry/],
      [[], /say what/],
    ]) {
      const { code, stderr } = await natsid(['operator', 'set', '--data', stage.data, '--identity', '-', ...args], { input });
      assert.equal(code, 2, stderr);
      assert.match(stderr, reason);
    }
    assert.deepEqual(await operatorClaims(stage.data), before);
  });
});
