// An independent eye on the servers: what each of them holds, ten times a second, held against what natsid says of it.
//
// Faults (faults.mjs) tell what they did to which files of which server, and whose bytes they held back. Just that is
// excused, for as long as natsid may take to find out, counted from when nothing lies between it and the server. That natsid
// is not connected excuses nothing: a server that is left alone holds what it held. All else is a violation: it is noted,
// and the run fails.
import { Client } from './client.mjs';
import { stampOf } from './stamp.mjs';
import { outsideUser } from './outside.mjs';

const LOOK_MS = 100;

/**
 * How long natsid may take to find out, in milliseconds: the times of docs/convergence.md, and room for slow, shared
 * machines and for servers that first have to find each other again.
 */
export const NOTICE = {
  hand: 3000, // a push by another hand that it hears: at once
  restart: 3000, // a server that starts tells of itself: a second or so
  back: 7000, // the same, where the start could not be heard: who is there is asked again and again
  sweep: 15_000, // what nobody tells of only the sweep sees: one pass, and its pause of 10 s
};

const UNHEARD = { hand: NOTICE.sweep, restart: NOTICE.back, sweep: NOTICE.sweep };

const nameOf = (server, key) => `${server.name} ${key}`;

export class Observer {
  violations = [];
  looks = 0;

  /**
   * One for each look, server and account that natsid knows. judged: it was called proven, and would have been noted had the
   * server held anything else; excused: the server did hold something else; unproven: it was not called proven; down: the
   * server did not run; touched: a fault did something to it during the look; silent: natsid told nothing, as it did not
   * run, or hung.
   */
  pairs = { judged: 0, excused: 0, unproven: 0, down: 0, touched: 0, silent: 0 };

  /**
   * The same of what a server holds and held before. brought: it has gone back to just the JWT that another hand pushed, so
   * that only how long it stays is left to judge, which is noted where it is too long; excused: it has gone back to
   * something else, with an excuse.
   */
  past = { judged: 0, brought: 0, excused: 0 };

  /** Kind of excuse -> the longest time, in milliseconds, after which natsid still called proven what it excused. */
  longest = new Map();

  #stage;
  #clients = new Map(); // server name -> Client in the system account
  #held = new Map(); // server name -> Map of account key -> generation
  #touches = new Map(); // server name -> how often faults did something to what it holds
  #excuses = new Map(); // "server key" -> {kind, at}: a fault did something to that file
  #late = new Map(); // JWT -> {kind, at}: pushed by another hand, or by ours and held back on its way
  #brought = new Set(); // JWTs that another hand pushed
  #holds = new Set(); // {since}: faults that hold back what is sent
  #regressions = new Map(); // "server key" -> {since, isNoted}
  #suspects = new Map(); // "server key" -> the looks in a row at which it differed from what is called proven
  #stamps = new Map(); // "server key" -> {jwt, stamp}: the file that was read last
  #known = new Set(); // keys of accounts
  #told = 0; // of how many accounts natsid told last
  #connection = { via: null, name: '', since: Infinity };
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
      this.#touches.set(server.name, 0);
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

  /**
   * A fault did something to the files of these accounts on the server, or to all of them: there the server starts anew in
   * the eyes of the observer. kind: how natsid finds out, 'restart' or 'sweep'.
   */
  touched(server, kind, keys = this.#keys()) {
    this.#touches.set(server.name, this.#touches.get(server.name) + 1);
    const excuse = { kind, at: performance.now() };
    for (const key of keys) {
      this.#held.get(server.name).delete(key);
      this.#regressions.delete(nameOf(server, key));
      this.#excuses.set(nameOf(server, key), excuse);
    }
  }

  /**
   * From now on, until what it gives back is called, a fault holds back what is sent: it arrives after all, perhaps after
   * something newer that went another way, and nobody tells natsid.
   */
  holdBack() {
    const hold = { since: performance.now() };
    this.#holds.add(hold);
    return () => {
      this.#holds.delete(hold);
      const late = { kind: 'sweep', at: performance.now() };
      for (const { jwt, at } of this.#stage.pushes) if (at >= hold.since) this.#late.set(jwt, late);
      for (const [jwt, { at }] of this.#late) if (at >= hold.since - NOTICE.hand) this.#late.set(jwt, late);
    };
  }

  /** A client in the system account pushes this JWT to the server itself. */
  async pushByAnotherHand(server, jwt) {
    const { via } = this.#connection;
    this.#brought.add(jwt);
    const isHeard = this.network.freeSince(via, server) < performance.now();
    this.#late.set(jwt, { kind: isHeard ? 'hand' : 'sweep', at: performance.now() });
    this.#clients.get(server.name).nc.publish('$SYS.REQ.CLAIMS.UPDATE', jwt);
    await this.#clients.get(server.name).nc.flush();
  }

  // ---- what may be excused ----

  /** Since when natsid has been connected, and nothing has lain between it and the server. */
  #reachedSince(server) {
    const { via, since } = this.#connection;
    return Math.max(since, this.network.freeSince(via, server));
  }

  /** How long natsid has had the chance to find out; null when it should have by now. */
  #age(server, { kind, at }) {
    const reached = this.#reachedSince(server);
    const age = performance.now() - Math.max(at, reached);
    return age < (reached > at ? UNHEARD : NOTICE)[kind] ? Math.max(0, age) : null;
  }

  /** The excuse of a server that holds this JWT and not the newest; undefined: there is none. */
  #excuseOf({ server, key, jwt }) {
    const late = this.#late.get(jwt) ?? this.#onItsWay(jwt);
    return [this.#excuses.get(nameOf(server, key)), late].find((excuse) => excuse && this.#age(server, excuse) !== null);
  }

  #onItsWay(jwt) {
    if (this.#holds.size === 0 || !jwt) return undefined;
    const first = Math.min(...[...this.#holds].map(({ since }) => since));
    const isOnItsWay = this.#stage.pushes.some((push) => push.at >= first && push.jwt === jwt);
    return isOnItsWay ? { kind: 'sweep', at: performance.now() } : undefined;
  }

  // ---- looking ----

  #tick() {
    this.#looking ??= this.#look().catch((error) => this.#violate('observer', error.stack)).finally(() => { this.#looking = null; });
  }

  #violate(what, words) {
    this.violations.push({ at: performance.now(), what, words });
  }

  async #ask(path) {
    const { daemon } = this.#stage;
    if (!daemon || this.network.isDaemonPaused) return null;
    try {
      const { status, body } = await daemon.api('GET', path, undefined, { deadline: 2000 });
      return status === 200 ? body : null;
    } catch {
      return null; // it was killed meanwhile
    }
  }

  /** What natsid says of each account: key -> record; empty while it does not answer. */
  async #claims() {
    const body = await this.#ask('/api/collections/nats_accounts/records?perPage=500');
    return new Map(body?.items.map((account) => [account.public_key, account]));
  }

  /** To which server natsid is connected, and since when. */
  async #noteConnection() {
    const nats = await this.#ask('/api/v1/nats');
    const via = this.#stage.servers.find(({ name }) => nats?.state === 'connected' && name === nats.server) ?? null;
    const name = via && `${this.#stage.daemon?.url} ${nats.epoch}`;
    if (!via) this.#connection = { via, name, since: Infinity };
    else if (name !== this.#connection.name) this.#connection = { via, name, since: performance.now() };
  }

  async #look() {
    await this.#noteConnection();
    const before = await this.#claims();
    for (const key of before.keys()) this.#known.add(key);
    const keys = [...this.#keys()];
    const files = await Promise.all(this.#stage.servers.flatMap((server) => keys.map((key) => this.#read(server, key))));
    const after = await this.#claims();
    for (const file of files) this.#compareWithPast(file);
    if (before.size > 0 && after.size > 0) {
      for (const file of files) this.#compareWithClaim(file, before.get(file.key), after.get(file.key));
      this.#told = after.size;
    } else {
      this.pairs.silent += this.#told * this.#stage.servers.length;
    }
    this.looks += 1;
  }

  /** Of all accounts, the deleted ones too. */
  #keys() {
    for (const { stamp } of this.#stage.pushes) if (stamp) this.#known.add(stamp.key);
    return this.#known;
  }

  async #read(server, key) {
    const touches = this.#touches.get(server.name);
    const wasUp = this.network.isUp(server);
    const jwt = await server.stored(key);
    return { server, key, jwt, touches, wasUp };
  }

  #isUp({ server, wasUp }) { return wasUp && this.network.isUp(server); }

  #wasTouched({ server, touches }) { return touches !== this.#touches.get(server.name); }

  #stamp({ server, key, jwt }) {
    const name = nameOf(server, key);
    if (this.#stamps.get(name)?.jwt !== jwt) this.#stamps.set(name, { jwt, stamp: stampOf(jwt ?? '') });
    return this.#stamps.get(name).stamp;
  }

  /** No server goes back to an older generation, unless a fault took it there; and from there natsid fetches it back. */
  #compareWithPast(file) {
    const { server, key } = file;
    const stamp = this.#stamp(file);
    if (!stamp || !this.#isUp(file) || this.#wasTouched(file)) return; // no stamp: none, or one that is just being written
    const held = this.#held.get(server.name);
    const name = nameOf(server, key);
    const high = held.get(key) ?? 0;
    if (stamp.generation >= high) {
      held.set(key, stamp.generation);
      this.#regressions.delete(name);
      this.past.judged += 1;
      return;
    }
    const isNew = !this.#regressions.has(name);
    if (isNew) this.#regressions.set(name, { since: performance.now(), isNoted: false });
    const known = this.#regressions.get(name);
    if (known.isNoted || this.#excuseOf(file)) {
      this.past[this.#brought.has(file.jwt) ? 'brought' : 'excused'] += 1;
      return;
    }
    known.isNoted = true;
    this.past.judged += 1;
    this.#violate('went back', isNew ? `${name}: from generation ${high} to ${stamp.generation} by itself or by our hand`
      : `${name}: still generation ${stamp.generation} after ${Math.round(performance.now() - known.since)} ms, was ${high}`);
  }

  /** What is called proven, before and after the file was read, is in the file: judged at the second look, as files are rewritten. */
  #compareWithClaim(file, before, after) {
    const verdict = this.#judge(file, before, after);
    if (verdict) this.pairs[verdict] += 1;
    if (verdict !== 'judged' || file.jwt === before.jwt) {
      this.#suspects.delete(nameOf(file.server, file.key));
      return;
    }
    const looks = (this.#suspects.get(nameOf(file.server, file.key)) ?? 0) + 1;
    this.#suspects.set(nameOf(file.server, file.key), looks);
    if (looks !== 2) return;
    const found = file.jwt === null ? 'nothing' : `generation ${this.#stamp(file)?.generation ?? 'unknown'}`;
    this.#violate('called proven', `${before.name} at generation ${before.generation}, while ${file.server.name} holds ${found}`);
  }

  #judge(file, before, after) {
    if (!before || !after) return null; // a deleted account, or one that came just now
    if (!this.#isUp(file)) return 'down';
    if (this.#wasTouched(file)) return 'touched';
    const isProven = [before, after].every((claim) => claim.publish_status === 'proven' && claim.jwt === before.jwt);
    if (!isProven) return 'unproven';
    if (file.jwt === before.jwt) {
      this.#excuses.delete(nameOf(file.server, file.key)); // repaired
      return 'judged';
    }
    const excuse = this.#excuseOf(file);
    if (!excuse) return 'judged';
    this.#noteLongest(file.server, excuse);
    return 'excused';
  }

  #noteLongest(server, excuse) {
    const age = this.#age(server, excuse);
    if (age > (this.longest.get(excuse.kind) ?? 0)) this.longest.set(excuse.kind, age);
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
