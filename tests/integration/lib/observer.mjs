// An independent eye on the servers: what each of them holds, ten times a second, held against what natsid says of it.
//
// It knows which faults are at work (faults.mjs tells it), and excuses just what a fault itself does, for as long as natsid
// may take to find out. All else is a violation: it is noted with its time, and the run fails.
import { Client } from './client.mjs';
import { stampOf } from './stamp.mjs';
import { outsideUser } from './outside.mjs';

const LOOK_MS = 100;

/** How long natsid may take to notice what was done, in milliseconds; the machines of the tests are slow and shared. */
export const NOTICE = {
  otherHand: 3000, // a push by another hand is heard
  restart: 3000, // a server that starts tells of itself within half a second
  daemon: 5000, // natsid that starts, or goes on, connects and looks at all accounts
  reach: 15_000, // a server is asked for every 10 s at least, and natsid connects again after 8 s at most
  sweep: 15_000, // only the sweep sees files that are damaged, and bytes that a link held: one pass, and its pause of 10 s
};

export class Observer {
  violations = [];
  looks = 0;
  compared = 0; // files of accounts that natsid called proven, on servers that it had no excuse to misjudge
  #stage;
  #clients = new Map(); // server name -> Client in the system account
  #held = new Map(); // server name -> Map of account key -> {high, jwt}
  #excusedUntil = new Map(); // server name -> performance.now()
  #foreign = new Map(); // JWT pushed by another hand -> performance.now()
  #regressions = new Map(); // "server key" -> {since, until}
  #suspects = new Map(); // "server key" -> the looks in a row at which it differed from what is called proven
  #timer = null;
  #looking = null;

  constructor(stage, network) {
    this.#stage = stage;
    this.network = network; // faults.mjs: what is at work
  }

  async start() {
    const system = (await this.#stage.accounts()).find(({ name }) => name === 'SYS');
    const { creds } = await outsideUser(this.#stage, system);
    for (const server of this.#stage.servers) {
      this.#held.set(server.name, new Map());
      this.#clients.set(server.name, await Client.connect([server.url], creds, { ignoreClusterUpdates: true }));
    }
    this.#timer = setInterval(() => this.#tick(), LOOK_MS);
  }

  async stop() {
    clearInterval(this.#timer);
    await this.#looking;
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  // ---- what the faults tell ----

  excuse(server, ms) {
    const until = performance.now() + ms;
    if (until > (this.#excusedUntil.get(server.name) ?? 0)) this.#excusedUntil.set(server.name, until);
  }

  /** The server lost what it held, or holds something older: it starts anew in the eyes of the observer. */
  forget(server) {
    this.#held.get(server.name).clear();
    for (const name of this.#regressions.keys()) if (name.startsWith(`${server.name} `)) this.#regressions.delete(name);
  }

  /** A client in the system account pushes this JWT to the server itself. */
  async pushByAnotherHand(server, jwt) {
    this.#foreign.set(jwt, performance.now());
    this.#clients.get(server.name).nc.publish('$SYS.REQ.CLAIMS.UPDATE', jwt);
    await this.#clients.get(server.name).nc.flush();
  }

  // ---- looking ----

  #tick() {
    this.#looking ??= this.#look().catch((error) => this.#violate('observer', error.stack)).finally(() => { this.#looking = null; });
  }

  #violate(what, words) {
    this.violations.push({ at: performance.now(), what, words });
  }

  /** What natsid says of each account: key -> record; empty while it does not answer. */
  async #claims() {
    const { daemon } = this.#stage;
    if (!daemon || this.network.isDaemonPaused) return new Map();
    try {
      const { status, body } = await daemon.api('GET', '/api/collections/nats_accounts/records?perPage=500', undefined, { deadline: 2000 });
      return new Map(status === 200 ? body.items.map((account) => [account.public_key, account]) : []);
    } catch {
      return new Map(); // it was killed meanwhile
    }
  }

  /** The server to which natsid is connected; null when it is to none. */
  async #connectedTo() {
    try {
      const { body } = await this.#stage.daemon.api('GET', '/readyz', undefined, { deadline: 2000 });
      return this.#stage.servers.find(({ name }) => body.nats.connected && name === body.nats.server) ?? null;
    } catch {
      return null;
    }
  }

  async #look() {
    const before = await this.#claims();
    if (before.size > 0) {
      const server = await this.#connectedTo();
      for (const each of this.#stage.servers) if (!this.network.reaches(server, each)) this.excuse(each, NOTICE.reach);
    } else {
      for (const each of this.#stage.servers) this.excuse(each, NOTICE.daemon);
    }
    const files = [];
    for (const server of this.#stage.servers) {
      for (const key of this.#keys(before)) files.push({ server, key, jwt: await server.stored(key) });
    }
    const after = await this.#claims();
    for (const file of files) {
      this.#compareWithPast(file);
      this.#compareWithClaim(file, before.get(file.key), after.get(file.key));
    }
    this.looks += 1;
  }

  #keys(claims) {
    const keys = new Set(claims.keys());
    for (const { stamp } of this.#stage.pushes) if (stamp) keys.add(stamp.key); // the deleted ones too
    return keys;
  }

  #isExcused(server) {
    return performance.now() < (this.#excusedUntil.get(server.name) ?? 0);
  }

  /** No server goes back to an older generation, unless a fault took it there; and from there natsid fetches it back. */
  #compareWithPast({ server, key, jwt }) {
    const stamp = stampOf(jwt ?? '');
    if (!stamp) return; // none, or one that is just being written
    const held = this.#held.get(server.name);
    const high = held.get(key) ?? 0;
    const name = `${server.name} ${key}`;
    if (stamp.generation >= high) {
      held.set(key, stamp.generation);
      this.#regressions.delete(name);
      return;
    }
    const now = performance.now();
    const known = this.#regressions.get(name);
    if (known) {
      if (now > known.until && !this.#isExcused(server)) {
        this.#violate('went back', `${name}: still generation ${stamp.generation} after ${Math.round(now - known.since)} ms, was ${high}`);
        known.until = Infinity;
      }
      return;
    }
    const byOtherHand = this.#foreign.has(jwt) && now - this.#foreign.get(jwt) < NOTICE.otherHand;
    if (!byOtherHand && !this.#isExcused(server)) {
      this.#violate('went back', `${name}: from generation ${high} to ${stamp.generation} by itself or by our hand`);
    }
    this.#regressions.set(name, { since: now, until: now + NOTICE.otherHand });
  }

  /** What is called proven, before and after the file was read, is in the file: judged at the second look, as files are rewritten. */
  #compareWithClaim({ server, key, jwt }, before, after) {
    const name = `${server.name} ${key}`;
    const isProven = [before, after].every((claim) => claim?.publish_status === 'proven' && claim.jwt === before.jwt);
    if (!isProven || this.#isExcused(server) || !this.network.isUp(server)) {
      this.#suspects.delete(name);
      return;
    }
    this.compared += 1;
    if (jwt === before.jwt || this.#isFresh(key)) {
      this.#suspects.delete(name);
      return;
    }
    const looks = (this.#suspects.get(name) ?? 0) + 1;
    this.#suspects.set(name, looks);
    if (looks !== 2) return;
    const found = jwt === null ? 'nothing' : `generation ${stampOf(jwt)?.generation ?? 'unknown'}`;
    this.#violate('called proven', `${before.name} at generation ${before.generation}, while ${server.name} holds ${found}`);
  }

  /** Another hand pushed some JWT of this account a moment ago. */
  #isFresh(key) {
    const now = performance.now();
    return [...this.#foreign].some(([jwt, at]) => now - at < NOTICE.otherHand && stampOf(jwt)?.key === key);
  }

  /**
   * What the servers answer who is asked through this one: each that it reaches answers, and does not say which it is.
   * Fails when there are not as many answers as servers.
   */
  async lookup(server, key) {
    const { nc } = this.#clients.get(server.name);
    const answers = [];
    const messages = await nc.requestMany(`$SYS.REQ.ACCOUNT.${key}.CLAIMS.LOOKUP`, '', {
      strategy: 'count', maxMessages: this.#stage.servers.length, maxWait: 2000,
    });
    for await (const message of messages) answers.push(message.string());
    if (answers.length !== this.#stage.servers.length) throw new Error(`${answers.length} servers answer through ${server.name}`);
    return answers;
  }
}
