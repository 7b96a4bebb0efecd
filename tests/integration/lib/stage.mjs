// A daemon and its nats-servers for the tests of one describe(): made before them, ended after them.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { claimsIn } from './claims.mjs';
import { assertRefused, Client } from './client.mjs';
import { freePort, NatsServer, serverVersion } from './nats.mjs';
import { initDataDir, must, startNatsid } from './natsid.mjs';
import { until } from './processes.mjs';

/** natsid is back with a server soon after it: tests stop many. */
export const backSoon = ['--nats-initial-backoff', '100ms', '--nats-max-backoff', '500ms'];

export class Stage {
  servers = [];
  clients = [];
  isBroken = false;
  #logs = '';

  constructor(options) {
    this.options = { which: 'newest', servers: 1, daemonArgs: backSoon, ...options };
  }

  /** A data directory of its own. */
  async prepare() {
    this.directory = await mkdtemp(join(tmpdir(), 'natsid-stage-'));
    this.data = join(this.directory, 'data');
    await initDataDir(this.data);
  }

  async up() {
    await this.prepare();
    const { which, servers } = this.options;
    const routes = [];
    for (let i = 0; servers > 1 && i < servers; i += 1) routes.push(await freePort());
    for (let i = 0; i < servers; i += 1) this.servers.push(await this.makeServer(which, `s${i + 1}`, i, routes));
    if (!this.options.serversLater) await Promise.all(this.servers.map((server) => server.start()));
    await this.startDaemon();
  }

  async makeServer(which, name, index, routes) {
    const port = await freePort();
    const args = ['export', 'nats-conf', '--data', this.data, '--server-name', name, '--port', `${port}`];
    if (this.options.jetstream) args.push('--jetstream', join(this.directory, `${name}-jetstream`));
    let { stdout: configuration } = await must(args);
    const leafPort = this.options.leafnodes ? await freePort() : null;
    if (leafPort) configuration += `\nleafnodes: { listen: "127.0.0.1:${leafPort}" }\n`;
    if (routes.length > 0) configuration += `\ncluster: ${this.cluster(index, routes)}\n`;
    configuration += this.options.more?.(index) ?? '';
    const store = join(this.data, 'nats', name, 'jwt');
    return new NatsServer({ which, name, port, leafPort, directory: this.directory, configuration, store });
  }

  /** What the configuration of the server says of its cluster. routes: the ports on which servers take each other. */
  cluster(index, routes) {
    const urls = routes.map((route) => `"nats://127.0.0.1:${route}"`);
    return `{ name: "c", listen: "127.0.0.1:${routes[index]}", routes: [${urls}] }`;
  }

  get urls() {
    return this.servers.map((server) => server.url);
  }

  async startDaemon({ nats = this.urls.join(','), args = this.options.daemonArgs } = {}) {
    this.daemon = await startNatsid({ dataDir: this.data, nats, args });
  }

  async stopDaemon() {
    if (!this.daemon) return;
    this.#logs += this.daemon.log();
    await this.daemon.stop();
    this.daemon = null;
  }

  async killDaemon() {
    const killed = this.daemon;
    this.daemon = null;
    await killed.kill();
    this.#logs += killed.log();
  }

  /** natsid starts again with a copy of this database in the place of its own. */
  async restore(file) {
    await this.stopDaemon();
    for (const end of ['', '-wal', '-shm']) await rm(join(this.data, `natsid.db${end}`), { force: true });
    await copyFile(file, join(this.data, 'natsid.db'));
    await this.startDaemon();
  }

  /** Asks the API; fails unless the answer is 200 or 204. */
  async api(method, path, body, options) {
    const { status, body: json, text } = await this.daemon.api(method, path, body, options);
    assert.ok(status === 200 || status === 204, `${method} ${path}: ${status} ${text}`);
    return json;
  }

  create(collection, fields) {
    return this.api('POST', `/api/collections/${collection}/records`, fields);
  }

  change({ collectionName, id }, fields) {
    return this.api('PATCH', `/api/collections/${collectionName}/records/${id}`, fields);
  }

  read({ collectionName, id }) {
    return this.api('GET', `/api/collections/${collectionName}/records/${id}`);
  }

  remove({ collectionName, id }) {
    return this.api('DELETE', `/api/collections/${collectionName}/records/${id}`);
  }

  createAccount(name, fields) {
    return this.create('nats_accounts', { name, ...fields });
  }

  /** publish and subscribe: what the role allows. */
  createRole(name, publish, subscribe, fields) {
    return this.create('nats_roles', { name, publish_permissions: publish, subscribe_permissions: subscribe, ...fields });
  }

  createUser(name, account, role, fields) {
    return this.create('nats_users', { nats_username: name, account_id: account.id, role_id: role.id, ...fields });
  }

  /** The account's record once all servers hold its newest state. */
  async proven(account, options) {
    let last = {};
    try {
      return await until('proven', async () => {
        last = await this.read(account);
        return last.publish_status === 'proven' && last;
      }, options);
    } catch (error) {
      throw new Error(`account ${account.name}: ${error.message}; ${last.publish_status} ${last.publish_message}`);
    }
  }

  /** The account's record once all servers that are there hold its newest state; those that are away keep it from being proven. */
  held(account, options) {
    return until(`account ${account.name} is held`, async () => {
      const record = await this.read(account);
      return record.publish_status === 'partial' && record.published_generation === record.generation && record;
    }, options);
  }

  async creds(user) {
    const { status, text } = await this.daemon.api('GET', `/api/v1/users/${user.id}/creds`);
    assert.equal(status, 200, text);
    return text;
  }

  async connect(creds, options) {
    const client = await Client.connect(options?.servers ?? this.urls, creds, options);
    this.clients.push(client);
    return client;
  }

  assertRefused(creds) {
    return assertRefused(this.urls, creds);
  }

  async accounts() {
    return (await this.api('GET', '/api/collections/nats_accounts/records?perPage=500')).items;
  }

  /** What /readyz says of NATS. */
  async nats() {
    return (await this.api('GET', '/readyz')).nats;
  }

  /** natsid has looked at every account since, because it was asked to: by itself it does not for the next ten seconds. */
  async swept() {
    const since = Date.now();
    assert.equal((await this.daemon.api('POST', '/api/v1/reconcile', {})).status, 202);
    await until('a look at every account', async () => {
      const { running, started, finished } = (await this.api('GET', '/api/v1/servers')).sweep;
      return !running && Date.parse(started) >= since && Date.parse(finished) >= Date.parse(started);
    }, { deadline: 30_000 });
  }

  /** Every account is proven, and each of the servers holds what the store says. */
  async converged({ servers = this.servers, deadline = 20_000 } = {}) {
    await until('all accounts are proven', async () => {
      const open = (await this.accounts()).filter((account) => account.publish_status !== 'proven');
      if (open.length === 0) return true;
      throw new Error(open.map((one) => `${one.name} ${one.publish_status} ${one.publish_message}`).join(', '));
    }, { deadline });
    for (const { name, public_key: key, jwt } of await this.accounts()) {
      for (const server of servers) assert.equal(await server.stored(key), jwt, `${name} on ${server.name}`);
    }
  }

  /** The claims of the account's JWT in the server's directory, as soon as they fit. */
  storedClaims(server, account, fits, options) {
    return until(`${server.name} holds what is expected of ${account.name}`, async () => {
      const jwt = await server.stored(account.public_key);
      const claims = jwt && claimsIn(jwt);
      return claims && fits(claims) && claims;
    }, options);
  }

  /** A client in the system account that hears every push and every lookup, and counts the LISTs. */
  async tap() {
    const system = (await this.accounts()).find(({ name }) => name === 'SYS');
    const role = await this.createRole('tap', [], ['$SYS.REQ.CLAIMS.*', '$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP']);
    const user = await this.createUser('tap', system, role);
    await this.proven(system);
    const client = await this.connect(await this.creds(user));
    const heard = { pushes: [], lookups: [], lists: 0 };
    client.nc.subscribe('$SYS.REQ.CLAIMS.UPDATE', { callback: (_, message) => heard.pushes.push(message.string()) });
    client.nc.subscribe('$SYS.REQ.CLAIMS.LIST', { callback: () => { heard.lists += 1; } });
    client.nc.subscribe('$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP', {
      callback: (_, message) => heard.lookups.push(message.subject.split('.')[3]),
    });
    await client.nc.flush();
    return heard;
  }

  async down() {
    try {
      await Promise.all(this.clients.map((client) => client.close()));
      await this.stopDaemon();
    } catch (error) {
      this.isBroken = true;
      throw error;
    } finally {
      await Promise.all(this.servers.map((server) => server.stop('SIGKILL')));
      if (this.isBroken) process.stdout.write(this.logs);
      await rm(this.directory, { recursive: true, force: true });
    }
  }

  /** All that natsid and the servers wrote. */
  get logs() {
    const lines = [`== natsid\n${this.#logs}${this.daemon?.log() ?? ''}`];
    for (const server of this.servers) lines.push(`== ${server.name}\n${server.log}`);
    return `${lines.join('\n')}\n`;
  }
}

/**
 * Tests against a daemon and its servers. options: which ('newest'), servers (1), serversLater, what servers do
 * (jetstream, leafnodes), more(index): what a server's configuration has beside natsid's, daemonArgs: more arguments of
 * natsid (backSoon), type: a kind of Stage.
 * define(stage, test, together): test() as in node:test; when one fails, the logs are printed at the end.
 * together(what, define) is for tests that do not disturb each other: servers take one state of an account in a second, so
 * that each test waits most of its time.
 */
export function onStage(title, options, define) {
  const stage = new (options.type ?? Stage)(options);
  const together = (what, body) => describe(what, { concurrency: 8 }, body);
  describe(title, () => {
    before(async () => {
      try {
        await stage.up();
      } catch (error) {
        stage.isBroken = true;
        await stage.down();
        throw error;
      }
    });
    after(() => stage.down());
    define(stage, (name, body) => test(name, { timeout: 60_000 }, async (t) => {
      if (!stage.versionPrinted) t.diagnostic(serverVersion(stage.options.which));
      stage.versionPrinted = true;
      try {
        await body(t);
      } catch (error) {
        stage.isBroken = true;
        throw error;
      }
    }), together);
  });
}
