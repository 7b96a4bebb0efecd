// The operator's signing key is rotated under clients that stay connected: at no step is anybody locked out.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test as plainTest } from 'node:test';
import { decode } from '@nats-io/jwt';
import { initialised, scratch } from './lib/command.mjs';
import { binary, must, natsid } from './lib/natsid.mjs';
import { operatorClaims, restart, sql } from './lib/operator.mjs';
import { launch, until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const WAITS = 5;
const nowhere = ['--nats', 'nats://127.0.0.1:1'];
const command = ['operator', 'rotate-signing-key'];

const audit = (data) => sql(data, "SELECT group_concat(action, ' ') FROM (SELECT action FROM audit WHERE collection = "
  + "'nats_system_operator' ORDER BY seq)");
const seedCount = (data) => Number(sql(data, "SELECT count(*) FROM vault v JOIN signing_keys k ON k.public_key = v.public_key "
  + 'WHERE k.account IS NULL'));

onStage('a rotation on three servers', { servers: 3 }, (stage, test) => {
  let accounts, users, clients, oldKey, newKey;

  const rotate = (args = [], options) => natsid([...command, '--data', stage.data, '--nats', stage.urls.join(','), ...args], options);

  async function rotates(args, code, ...says) {
    const result = await rotate(args);
    assert.equal(result.code, code, result.stdout + result.stderr);
    assert.equal(result.stderr, '');
    for (const text of says) assert.match(result.stdout, text);
    return result.stdout;
  }

  const formed = () => until('natsid sees all servers', async () => (await stage.nats()).servers === 3, { deadline: 30_000 });

  /** Nobody is locked out: who is connected can talk, and who comes is let in, at each server. */
  async function everybodyIsIn() {
    for (const client of clients) {
      assert.equal(client.closed, null);
      await until('the client is connected', () => client.count('disconnect') === client.count('reconnect'));
      await client.reaches(client, 'data.here');
    }
    for (const server of stage.servers) {
      for (const user of users) {
        const client = await stage.connect(user.creds_file, { servers: [server.url], ignoreClusterUpdates: true, reconnect: false });
        await client.close();
      }
    }
    assert.equal(clients.flatMap(({ events }) => events).filter(({ type, error }) => type === 'error' && /auth/i.test(error?.name)).length, 0);
  }

  async function restartAll(options) {
    for (const server of stage.servers) {
      await restart(stage, server, options);
      await formed();
      await everybodyIsIn();
    }
  }

  const issuers = async () => Promise.all((await stage.accounts()).flatMap(({ public_key: key }) => stage.servers.map(async (server) => {
    const jwt = await server.stored(key);
    return decode(jwt).iss;
  })));

  test('begins with tenants on every server', async () => {
    await formed();
    accounts = [await stage.createAccount('acme'), await stage.createAccount('umbrella')];
    const role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    users = await Promise.all(accounts.map((account) => stage.createUser(`of-${account.name}`, account, role)));
    await stage.remove(await stage.createAccount('buried'));
    await stage.converged();
    clients = await Promise.all(users.flatMap((user) => stage.servers.map(({ url }) => stage.connect(user.creds_file, { servers: [url, ...stage.urls] }))));
    await everybodyIsIn();
    [oldKey] = (await operatorClaims(stage.data)).nats.signing_keys;
  });

  test('adds the key, which does not sign, and waits', async () => {
    const said = await rotates([], 0, /^Added the signing key O\w{55} to the operator's JWT\. It does not sign yet\.$/m, /export the JWT again/);
    const { nats } = await operatorClaims(stage.data);
    assert.equal(nats.signing_keys.length, 2);
    assert.equal(nats.signing_keys[0], oldKey);
    newKey = nats.signing_keys[1];
    for (const { name } of stage.servers) assert.match(said, new RegExp(`^  ${name}: does not trust it yet`, 'm'));
    assert.ok(said.includes(newKey));
    const { items: [operator] } = await stage.api('GET', '/api/collections/nats_system_operator/records');
    assert.equal(operator.signing_public_key, oldKey);
    assert.deepEqual(operator.signing_keys, [oldKey, newKey]);
    await rotates([], WAITS, /does not trust it yet/);
    // what changes meanwhile is signed by the old key
    await stage.change(accounts[0], { max_connections: 50 });
    const { jwt } = await stage.proven(accounts[0]);
    assert.equal(decode(jwt).iss, oldKey);
    await everybodyIsIn();
  });

  test('does not switch while one server has the old JWT', async () => {
    const [first, second, third] = stage.servers;
    await restart(stage, first);
    await restart(stage, second, { onlyJwt: true });
    await formed();
    const said = await rotates(['--wait', '10'], WAITS, new RegExp(`^  ${third.name}: does not trust it yet`, 'm'));
    // At the end only that one is named; a server that has just started may be missed at first.
    const last = said.slice(said.lastIndexOf('The switch waits'));
    assert.match(last, new RegExp(`^  ${third.name}:`, 'm'));
    assert.doesNotMatch(last, new RegExp(`^  (${first.name}|${second.name}):`, 'm'));
    assert.equal((await stage.read(accounts[0])).publish_status, 'proven');
    await everybodyIsIn();
  });

  test('does not switch while a server is down, and names it', async () => {
    const [, , third] = stage.servers;
    await third.stop();
    await rotates([], WAITS, new RegExp(`^  ${third.name}: was there before and does not answer`, 'm'));
    await restart(stage, third);
    await formed();
    await everybodyIsIn();
    assert.equal(audit(stage.data), 'create rotate-add');
  });

  test('goes on after it was killed while it waits, and when two run at a time', async () => {
    const killed = launch(binary, [...command, '--data', stage.data, ...nowhere, '--wait', '60']);
    await until('it waits', () => killed.output.stdout.includes('cannot be told'), { deadline: 20_000 });
    killed.child.kill('SIGKILL');
    await killed.ended;
    // the daemon is away, so that the switch is seen before the proof
    await stage.stopDaemon();
    const both = await Promise.all([rotate(), rotate()]);
    const said = both.map(({ stdout }) => stdout).join('');
    assert.equal(said.match(/^3 servers trust O\w{55}: it signs from now on\.$/mg).length, 1, said);
    assert.equal(audit(stage.data), 'create rotate-add rotate-switch');
  });

  test('cannot be aborted any more', async () => {
    const { code, stderr } = await rotate(['--abort']);
    assert.equal(code, 1);
    assert.match(stderr, /the new key signs already/);
  });

  test('does not remove the old key while accounts are not proven', async () => {
    await rotates([], WAITS, /of which there are 4:$/m, /^ {2}acme: pending/m, /^ {2}umbrella: pending/m, /^ {2}SYS: pending/m);
    assert.deepEqual((await operatorClaims(stage.data)).nats.signing_keys, [oldKey, newKey]);
    assert.equal(seedCount(stage.data), 2);
    await everybodyIsIn();
  });

  test('lets the daemon push every account with the new key, and cuts nobody', async () => {
    const cuts = clients.map((client) => client.count('disconnect'));
    await stage.startDaemon();
    await stage.converged();
    await until('no account is open', () => sql(stage.data, 'SELECT count(*) FROM account_publish WHERE proven_generation < reissue_generation') === '0', { deadline: 30_000 });
    assert.deepEqual(new Set(await issuers()), new Set([newKey]));
    assert.deepEqual(clients.map((client) => client.count('disconnect')), cuts);
    await everybodyIsIn();
  });

  test('does not remove the old key while a server is down', async () => {
    const [first] = stage.servers;
    await first.stop();
    await rotates([], WAITS, new RegExp(`^  ${first.name}: was there before and does not answer`, 'm'));
    await first.start();
    await formed();
  });

  test('removes the old key and destroys its seed', async () => {
    const sealed = Buffer.from(sql(stage.data, "SELECT hex(v.sealed) FROM vault v JOIN signing_keys k ON k.public_key = "
      + 'v.public_key WHERE k.account IS NULL ORDER BY k.seq LIMIT 1'), 'hex');
    await rotates(['--wait', '30'], 0, new RegExp(`^The rotation is finished: every account is proven with ${newKey}, and the seed of the old key ${oldKey} is destroyed\\.$`, 'm'));
    assert.deepEqual((await operatorClaims(stage.data)).nats.signing_keys, [newKey]);
    assert.equal(seedCount(stage.data), 1);
    for (const file of ['natsid.db', 'natsid.db-wal']) {
      assert.ok(!(await readFile(join(stage.data, file))).includes(sealed), file);
    }
    assert.equal(audit(stage.data), 'create rotate-add rotate-switch rotate-remove');
    await everybodyIsIn();
  });

  test('leaves servers that work with the last JWT, and daily work', async () => {
    await restartAll();
    await stage.change(accounts[0], { max_connections: 60 });
    const { jwt } = await stage.proven(accounts[0], { deadline: 30_000 });
    assert.equal(decode(jwt).iss, newKey);
    const created = await stage.createAccount('fresh');
    await stage.proven(created, { deadline: 30_000 });
    await stage.stopDaemon();
    await stage.startDaemon();
    await stage.converged();
  });

  test('goes from the second rotation to the end in one call, but for the restarts', async () => {
    const running = launch(binary, [...command, '--data', stage.data, '--nats', stage.urls.join(','), '--wait', '120']);
    await until('the key is added', () => running.output.stdout.includes('Added the signing key'));
    for (const server of stage.servers) await restart(stage, server);
    const { code } = await running.ended;
    assert.equal(code, 0, running.output.stdout + running.output.stderr);
    assert.match(running.output.stdout, /The rotation is finished/);
    const { nats } = await operatorClaims(stage.data);
    assert.equal(nats.signing_keys.length, 1);
    assert.notEqual(nats.signing_keys[0], newKey);
    await everybodyIsIn();
  });

  test('leaves out a server that is named, and no other', async () => {
    const [first, second, third] = stage.servers;
    await rotates([], 0, /^Added/m);
    await restart(stage, first);
    await restart(stage, second);
    await formed();
    await third.stop();
    await rotates(['--without', second.name], WAITS, new RegExp(`^  ${third.name}: was there`, 'm'));
    await until('the others let it go', async () => (await rotate(['--without', third.name])).stdout.includes('it signs from now on'), { deadline: 60_000, every: 500 });
    await restart(stage, third);
    await formed();
    await rotates(['--wait', '60'], 0, /The rotation is finished/);
    await everybodyIsIn();
  });
});

// Each waits for servers that are not there.
describe('a rotation without servers', { concurrency: 3 }, () => {
  plainTest('an aborted rotation leaves the operator as it was, and another can begin', async (t) => {
    const data = await initialised(await scratch(t));
    const rotate = (...args) => natsid([...command, '--data', data, ...nowhere, ...args]);
    const before = (await operatorClaims(data)).nats;
    assert.equal((await rotate('--abort')).code, 1);
    assert.equal((await rotate()).code, 0);
    const [, dropped] = (await operatorClaims(data)).nats.signing_keys;
    assert.equal(seedCount(data), 2);
    assert.equal((await rotate('--abort')).code, 0);
    assert.deepEqual((await operatorClaims(data)).nats, before);
    assert.equal(seedCount(data), 1);
    assert.equal((await rotate('--abort')).code, 1);
    assert.equal((await rotate()).code, 0);
    const [kept, added] = (await operatorClaims(data)).nats.signing_keys;
    assert.equal(kept, before.signing_keys[0]);
    assert.notEqual(added, dropped);
    assert.equal(audit(data), 'create rotate-add rotate-abort rotate-add');
  });

  plainTest('a rotation with the identity offline takes its seed when it is needed', async (t) => {
    const directory = await scratch(t);
    const data = await initialised(directory);
    const file = join(directory, 'operator.seeds');
    await must(['operator', 'export', '--seeds', '--forget-identity', '--data', data, '--output', file]);
    const input = await readFile(file, 'utf8');
    const rotate = (args, options) => natsid([...command, '--data', data, ...nowhere, ...args], options);
    assert.equal((await rotate([])).code, 1);
    assert.equal(audit(data), 'create export-seeds forget-identity');
    assert.equal((await rotate(['--identity', '-'], { input })).code, 0);
    assert.equal((await operatorClaims(data)).nats.signing_keys.length, 2);
    assert.equal((await rotate(['--abort'])).code, 1);
    assert.equal((await rotate(['--abort', '--identity', '-'], { input })).code, 0);
    assert.equal((await operatorClaims(data)).nats.signing_keys.length, 1);
  });

  plainTest('wrong options change nothing', async (t) => {
    const data = await initialised(await scratch(t));
    for (const args of [['--wait', '-1'], ['--wait', 'soon'], ['--without', 'a,,b'], ['--identity', 'SO123'], ['--abort=yes'], ['--nats', 'http://x']]) {
      const { code, stderr } = await natsid([...command, '--data', data, ...nowhere, ...args]);
      assert.equal(code, 2, `${args}: ${stderr}`);
    }
  });
});
