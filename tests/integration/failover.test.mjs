// The primary and its backups: failover by the rules, failback, all of them down, logins refused; the API is not slowed
// down by any of it, and nothing that is written meanwhile is lost.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { NatsServer } from './lib/nats.mjs';
import { initDataDir, must } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { onStage, Stage } from './lib/stage.mjs';

const retries = 2;
const args = ['--nats-max-primary-retries', `${retries}`, '--nats-initial-backoff', '200ms', '--nats-max-backoff', '500ms',
  '--nats-failback-interval', '300ms'];
const healthy = 10_000; // so long the primary must answer before it is taken

onStage('a primary and two backups', { servers: 3, daemonArgs: args }, (stage, test) => {
  const p99 = {};

  // Another natsid, whose server is left alone: how fast the machine is in each phase.
  const control = new Stage({});
  const makeAccounts = (of) => Promise.all(Array.from({ length: 10 }, (_, i) => of.createAccount(`acme-${i}`)));
  let accounts, others;
  before(async () => {
    await control.up();
    others = await makeAccounts(control);
  });
  after(() => control.down());

  const connection = () => stage.api('GET', '/api/v1/nats');

  /** Waits until the connection is to that server; gives what is said of it. */
  function on(server, options) {
    return until(`connected to ${server.name}`, async () => {
      const said = await connection();
      if (said.state === 'connected' && said.url === server.url) return said;
      throw new Error(JSON.stringify(said));
    }, { deadline: 20_000, ...options });
  }

  /** Each server holds what the store says; one that has just come back may not be known yet. */
  const allArrives = () => until('all servers hold all accounts', async () => {
    await stage.converged();
    return true;
  }, { deadline: 30_000 });

  const disconnected = () => until('not connected', async () => (await connection()).state !== 'connected', { deadline: 20_000 });

  /** One write or read: how many milliseconds it took. */
  async function ask(of, account, i) {
    const start = performance.now();
    if (i % 2 === 0) await of.change(account, { max_connections: i + 1 });
    else await of.read(account);
    return performance.now() - start;
  }

  /** Writes and reads, one after the other, until done() says so, but no fewer than `least`; keeps the p99 of both natsids. */
  async function work(phase, { least = 300, done = async () => true } = {}) {
    const [times, usual] = [[], []];
    for (let i = 0; i < least || !(await done()); i += 1) {
      times.push(await ask(stage, accounts[i % accounts.length], i));
      usual.push(await ask(control, others[i % others.length], i));
    }
    for (const list of [times, usual]) list.sort((a, b) => a - b);
    const [ms, usualMs] = [times, usual].map((list) => list[Math.floor(list.length * 0.99)]);
    p99[phase] = { ms, usualMs };
    return `${phase}: p99 of ${times.length} answers ${ms.toFixed(1)} ms, slowest ${times.at(-1).toFixed(1)} ms; p99 of the other natsid ${usualMs.toFixed(1)} ms`;
  }

  test('the first URL is the primary', async (t) => {
    accounts = await makeAccounts(stage);
    const said = await on(stage.servers[0]);
    assert.equal(said.role, 'primary');
    assert.deepEqual(said.urls.map(({ url, role, state }) => [url, role, state]), stage.urls.map((url, i) =>
      [url, i === 0 ? 'primary' : 'backup', i === 0 ? 'connected' : 'standby']));
    await allArrives();
    const { server, version } = await connection();
    assert.equal(server, 's1');
    assert.match(version, /^\d+\.\d+/);
    t.diagnostic(await work('before'));
  });

  test('only superusers are told', async () => {
    const { status } = await stage.daemon.api('GET', '/api/v1/nats', undefined, { token: null });
    assert.equal(status, 401);
  });

  test('primary and first backup down: after its retries, and in order, the second backup', async (t) => {
    await Promise.all([stage.servers[0].stop('SIGKILL'), stage.servers[1].stop('SIGKILL')]);
    await disconnected();
    t.diagnostic(await work('failing over', { done: async () => (await connection()).state === 'connected' }));
    const said = await on(stage.servers[2]);
    assert.equal(said.role, 'backup');
    assert.deepEqual([said.connects, said.failovers, said.failbacks], [2, 1, 0]);
    const [primary, first, second] = said.urls;
    assert.ok(primary.failures >= 1 + retries, `${primary.failures} failures of the primary`); // and of looks at it since
    assert.ok(primary.error !== '' && ['failed', 'connecting'].includes(primary.state), primary.state);
    assert.deepEqual([first.failures, first.state], [second.failures + 1, 'failed']); // in order
    assert.equal(second.state, 'connected');
    await until('the server that is there holds all accounts', async () => {
      for (const { name, public_key: key, jwt } of await stage.accounts()) {
        assert.equal(await stage.servers[2].stored(key), jwt, name);
      }
      return true;
    }, { deadline: 20_000 });
    const { nats } = await stage.api('GET', '/readyz');
    assert.deepEqual([nats.connected, nats.state, nats.role], [true, 'connected', 'backup']);
  });

  test('the primary is back: taken when it has been well for ten seconds', async (t) => {
    const start = performance.now();
    await stage.servers[0].start();
    const sawProbe = until('the primary is looked at', async () => (await connection()).urls[0].state === 'probing');
    const isBack = async () => (await connection()).role === 'primary';
    t.diagnostic(await work('failing back', { done: isBack }));
    await sawProbe;
    const said = await on(stage.servers[0]);
    const took = performance.now() - start;
    t.diagnostic(`taken after ${Math.round(took)} ms`);
    assert.ok(took >= healthy);
    assert.deepEqual([said.connects, said.failovers, said.failbacks], [3, 1, 1]);
    assert.equal(said.urls[0].error, '');
    assert.deepEqual(said.urls.map(({ state }) => state), ['connected', 'failed', 'standby']);
    await stage.servers[1].start();
    await allArrives();
  });

  test('all down, and back one by one: whichever comes first', async (t) => {
    await Promise.all(stage.servers.map((server) => server.stop('SIGKILL')));
    await disconnected();
    let rounds;
    t.diagnostic(await work('all down', {
      done: async () => {
        const { urls } = await connection();
        rounds = urls.map(({ failures }) => failures);
        return rounds.every((failures) => failures > 4);
      },
    }));
    t.diagnostic(`failures: ${rounds}`);
    await stage.servers[1].start();
    assert.equal((await on(stage.servers[1])).failovers, 2);
    // the backup goes while the primary is looked at: then that one is taken at once
    await stage.servers[0].start();
    await until('the primary is looked at', async () => (await connection()).urls[0].state === 'probing');
    await stage.servers[1].stop('SIGKILL');
    await on(stage.servers[0], { deadline: healthy / 2 });
    await stage.servers[1].start();
    await stage.servers[2].start();
    await allArrives();
  });

  test('refused again and again, then let in', async (t) => {
    const { port, directory } = stage.servers[0];
    const data = join(stage.directory, 'foreign');
    await initDataDir(data);
    const { stdout: configuration } = await must(['export', 'nats-conf', '--data', data, '--port', `${port}`]);
    const foreign = new NatsServer({ which: 'newest', name: 'foreign', port, directory, configuration });
    await Promise.all(stage.servers.map((server) => server.stop('SIGKILL')));
    await foreign.start();
    t.after(() => foreign.stop('SIGKILL'));
    const refused = async () => {
      const [{ error, failures }] = (await connection()).urls;
      return /authoriz|authentic/i.test(error) ? failures : 0;
    };
    const first = await until('refused', refused, { deadline: 20_000 });
    await until('refused many times', async () => (await refused()) >= first + 3, { deadline: 30_000 });
    t.diagnostic(await work('refused'));
    t.diagnostic(`${(await refused()) - first} more logins refused: ${(await connection()).urls[0].error}`);
    await foreign.stop();
    await Promise.all(stage.servers.map((server) => server.start()));
    await until('connected', async () => (await connection()).state === 'connected', { deadline: 20_000 });
    await allArrives();
  });

  test('the API was as fast as that of a natsid whose server is well', async (t) => {
    t.diagnostic(await work('after'));
    const slow = Object.entries(p99).filter(([, { ms, usualMs }]) => ms > 5 * usualMs + 50);
    assert.deepEqual(slow, []);
  });

  /** {name: {type, value}} of the text format of Prometheus. */
  async function metrics() {
    const { status, headers, text } = await stage.daemon.api('GET', '/metrics', undefined, { token: null });
    assert.equal(status, 200);
    assert.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    assert.ok(text.endsWith('\n'));
    const found = {};
    const lines = text.trimEnd().split('\n');
    while (lines.length > 0) {
      const [, name, help] = /^# HELP (natsid_[a-z_]+) (\S.*)$/.exec(lines.shift());
      assert.ok(help.endsWith('.') && !(name in found), name);
      const [, typed, type] = /^# TYPE (\S+) (gauge|counter)$/.exec(lines.shift());
      const [, valued, value] = /^(\S+) (-?\d+)$/.exec(lines.shift());
      assert.deepEqual([typed, valued], [name, name]);
      assert.equal(type === 'counter', name.endsWith('_total'), name);
      found[name] = { type, value: Number(value) };
    }
    return found;
  }

  test('the metrics say the same', async () => {
    const said = await on(stage.servers[0]); // where it stays
    await allArrives();
    let found;
    const value = (name) => found[`natsid_${name}`].value;
    // Who is there is asked anew on each connection.
    await until('natsid knows its servers', async () => {
      found = await metrics();
      return value('nats_servers') === 3;
    });
    assert.equal(value('ready'), 1);
    assert.equal(value('nats_connected'), 1);
    assert.equal(value('nats_on_backup'), said.role === 'backup' ? 1 : 0);
    assert.equal(value('nats_epoch'), said.epoch);
    assert.equal(value('nats_connects_total'), said.connects);
    assert.equal(value('nats_failovers_total'), said.failovers);
    assert.equal(value('nats_failbacks_total'), said.failbacks);
    assert.equal(value('nats_since_timestamp_seconds'), Math.floor(Date.parse(said.since) / 1000));
    for (const name of ['accounts_unproven', 'accounts_quarantined', 'servers_absent', 'push_blocked']) assert.equal(value(name), 0, name);
    assert.ok(value('nats_probes_total') > 0);
    assert.ok(value('nats_connect_failures_total') >= 10);
    assert.ok(value('pushes_total') >= accounts.length);
    for (const name of ['nats_open_requests', 'accounts_open']) assert.ok(value(name) >= 0, name); // a sweep may be under way
    const pushes = value('pushes_total');
    await stage.change(accounts[0], { max_connections: 5000 });
    await until('counted', async () => (await metrics()).natsid_pushes_total.value > pushes);
    await allArrives();
  });
});
