// Rounds of load, SIGKILL and restart, each checked against what the writers know.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { claimsIn } from './claims.mjs';
import { freePort, NatsServer } from './nats.mjs';
import { binary, initDataDir, must, startNatsid } from './natsid.mjs';
import { launch, until } from './processes.mjs';
import { random } from './random.mjs';
import { scope, Writer } from './writer.mjs';

const run = promisify(execFile);
const inspector = fileURLToPath(new URL('database.py', import.meta.url));
const WRITERS = 8;

/** What database.py finds. `since` is the audit of an earlier look. */
export async function inspect(dataDir, since) {
  const args = since ? [String(since.seq), since.hash] : [];
  const { stdout } = await run('python3', [inspector, join(dataDir, 'natsid.db'), ...args], { maxBuffer: 1 << 28 });
  return JSON.parse(stdout);
}

const byId = (rows) => new Map(rows.map((row) => [row.id, row]));
const flags = (row, names) => Object.fromEntries(names.map((name) => [name, row[name] === 1]));

function compareAccounts(writers, found) {
  const expected = writers.flatMap((writer) => [...writer.accounts].map(([id, account]) => ({ id, ...account })));
  const actual = found.filter((row) => !row.deleted && !row.is_system).map((row) => ({
    id: row.id, name: row.name, description: row.description, max_connections: row.max_connections,
    max_subscriptions: row.max_subscriptions, ...flags(row, ['active']), generation: row.generation,
  }));
  assert.deepEqual(byId(actual), byId(expected), 'accounts and their generations');
  const buried = writers.flatMap((writer) => [...writer.buried]);
  const deleted = found.filter((row) => row.deleted).map((row) => [row.id, row.generation]);
  assert.deepEqual(new Map(deleted), new Map(buried), 'deleted accounts and their generations');
}

function compareRoles(writers, found) {
  const expected = writers.flatMap((writer) => [...writer.roles].map(([id, role]) => ({ id, ...role })));
  const actual = found.map((row) => ({ ...row, publish_permissions: JSON.parse(row.publish_permissions) }));
  assert.deepEqual(byId(actual), byId(expected), 'roles');
}

function compareUsers(writers, found) {
  const expected = writers.flatMap((writer) => [...writer.users].map(([id, user]) => ({ id, ...user })));
  const actual = found.map((row) => ({ ...row, ...flags(row, ['active', 'issued', 'revoked']) }));
  assert.deepEqual(byId(actual), byId(expected), 'users');
}

/**
 * Holds the database against what the writers know. Returns {audit, acknowledged, settled}: the audit to go on from, how
 * many acknowledged changes were found, and how many unacknowledged ones had been made.
 */
export async function check(dataDir, writers, since) {
  const found = await inspect(dataDir, since);
  assert.deepEqual(found.integrity, ['ok']);
  assert.deepEqual(found.foreignKeys, [], 'references');
  assert.deepEqual(found.counters, found.counted, 'counters');
  assert.deepEqual(found.strays, [], 'keys and their seeds');
  assert.equal(found.audit.broken, null);

  // One audit row for each acknowledged change; what is left over was under way, one at most for each writer.
  const entries = new Map(found.audit.entries.map((entry) => [entry.request, entry]));
  assert.equal(entries.size, found.audit.entries.length, 'no request changed two records');
  const acknowledged = writers.flatMap((writer) => writer.acknowledged);
  for (const { request, record, action } of acknowledged) {
    const entry = entries.get(request);
    assert.ok(entry, `the acknowledged ${action} of ${record} (request ${request}) is in the audit`);
    assert.deepEqual([entry.record, entry.action, entry.actor], [record, action, 'superuser']);
    entries.delete(request);
  }
  const unclaimed = [...entries.values()];
  const usersFound = byId(found.users);
  const settled = writers.filter((writer) => writer.settle(unclaimed, usersFound)).length;
  assert.deepEqual(unclaimed, [], 'audit rows of changes that nobody asked for');

  compareAccounts(writers, found.accounts);
  compareRoles(writers, found.roles);
  compareUsers(writers, found.users);
  const scopes = writers.flatMap((writer) => [...writer.scopes]).sort();
  assert.deepEqual(found.scopes.map((row) => scope(row.account, row.role)).sort(), scopes, 'scoped keys');
  for (const writer of writers) writer.acknowledged = [];
  return { audit: found.audit, acknowledged: acknowledged.length, settled };
}

export const makeWriters = (draw) => Array.from({ length: WRITERS }, (_, i) => new Writer(i + 1, draw.below(2 ** 32)));

/** All writers at once; SIGKILL at the acknowledgement number `after`. Resolves to the milliseconds that it took. */
export async function killUnderLoad(daemon, writers, after) {
  const start = performance.now();
  let count = 0;
  let killed = null;
  const onAcknowledged = () => {
    count += 1;
    if (count === after) killed = daemon.kill();
  };
  await Promise.all(writers.map((writer) => writer.write(daemon, () => killed !== null, onAcknowledged)));
  const { signal } = await killed;
  assert.equal(signal, 'SIGKILL');
  return performance.now() - start;
}

/** Kills it within its first milliseconds: in recovery, in the middle of opening, or soon after. */
async function killWhileStarting(data, nats, ms) {
  const { child, ended, output } = launch(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--nats', nats]);
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  const { code, signal } = await ended;
  clearTimeout(timer);
  assert.equal(signal, 'SIGKILL', `natsid ended by itself with ${code}\n${output.stderr}`);
}

/** The server holds the newest JWT of every account, also of those that were deleted. Resolves to how many. */
async function checkServer(data, server) {
  let accounts = [];
  await until('every account is proven', async () => {
    ({ accounts } = await inspect(data));
    return accounts.every((account) => account.proven_generation === account.generation);
  }, { deadline: 60_000, every: 100 });
  for (const account of accounts) {
    assert.equal(account.minted_generation, account.generation, `${account.id} is minted`);
    assert.equal(await server.stored(claimsIn(account.jwt).sub), account.jwt, `the server's JWT of ${account.id}`);
  }
  return accounts.length;
}

async function makeStage(directory) {
  const data = join(directory, 'data');
  await initDataDir(data);
  const port = await freePort();
  const args = ['export', 'nats-conf', '--data', data, '--server-name', 's1', '--port', String(port)];
  const { stdout: configuration } = await must(args);
  const store = join(data, 'nats', 's1', 'jwt');
  const server = new NatsServer({ which: 'newest', name: 's1', port, directory, configuration, store });
  await server.start();
  return { data, server };
}

/**
 * The rounds. report(line) is told each one. Resolves to what was seen in all: {acknowledged, settled, starts, accounts}.
 * Each round kills at a random acknowledgement, and every third or so kills the restart as well.
 */
export async function crashRounds({ rounds, seed, report }) {
  const draw = random(seed);
  const writers = makeWriters(draw);
  const directory = await mkdtemp(join(tmpdir(), 'natsid-crash-'));
  const total = { acknowledged: 0, settled: 0, starts: 0, accounts: 0 };
  let server;
  let daemon;
  try {
    let data;
    ({ data, server } = await makeStage(directory));
    const start = () => startNatsid({ dataDir: data, nats: server.url });
    daemon = await start();
    let { audit } = await inspect(data);
    for (let round = 1; round <= rounds; round += 1) {
      const ms = await killUnderLoad(daemon, writers, draw.between(40, 400));
      const starts = draw.chance(0.3) ? draw.between(1, 3) : 0;
      for (let i = 0; i < starts; i += 1) await killWhileStarting(data, server.url, draw.below(60));
      daemon = await start();
      const found = await check(data, writers, audit);
      audit = found.audit;
      total.acknowledged += found.acknowledged;
      total.settled += found.settled;
      total.starts += starts;
      const kills = starts > 0 ? `, killed ${starts} more while starting` : '';
      report(`round ${round}: killed after ${ms.toFixed(0)} ms and ${found.acknowledged} acknowledged writes; `
        + `${found.settled} unacknowledged ones were made${kills}`);
    }
    total.accounts = await checkServer(data, server);
    const { audit: whole, integrity } = await inspect(data);
    assert.deepEqual([whole.broken, integrity], [null, ['ok']]);
    await daemon.stop();
  } catch (error) {
    error.message = `seed ${seed}: ${error.message}\n${daemon?.log() ?? ''}`;
    throw error;
  } finally {
    await daemon?.kill();
    await server?.stop('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
  return total;
}

/** CRASH_SEED, or one of the moment. */
export const chooseSeed = (text = process.env.CRASH_SEED) => (text ? Number(text) : Date.now() % 2 ** 32);
