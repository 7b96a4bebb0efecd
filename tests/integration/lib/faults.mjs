// What can go wrong with a NATS system, each as something that a schedule can do and take back.
import { cp, readdir, rm, truncate } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** The account files of a server, without those of `except`. */
async function filesOf(server, except = []) {
  const names = await readdir(server.store).catch(() => []);
  return names.filter((name) => name.endsWith('.jwt') && !except.some((key) => name.startsWith(key)))
    .sort().map((name) => join(server.store, name));
}

/** What is left of a file of which not all was written. */
async function truncateEach(files, draw) {
  for (const file of files) await truncate(file, draw.pick([0, 1, 100])).catch(() => {}); // it may be gone by now
}

const keysOf = (files) => files.map((file) => basename(file, '.jwt'));

/**
 * The faults of one run. Each takes the server (or pair) and the random numbers of its event, and gives back how to end it:
 * a function, or nothing for what is over at once.
 */
export class Faults {
  isDaemonPaused = false;
  observer = null; // set by who makes both
  #stage;
  #down = new Set(); // servers that do not run, or hang
  #freeSince = new Map(); // server, link or route -> performance.now(); Infinity while something is wrong with it
  #systemKey;

  /** onDaemonDown, onDaemonUp: what else happens around a restart of natsid. */
  constructor(stage, { systemKey, onDaemonDown, onDaemonUp }) {
    this.#stage = stage;
    this.#systemKey = systemKey;
    Object.assign(this, { onDaemonDown, onDaemonUp });
  }

  // ---- what is at work ----

  isUp(server) { return !this.#down.has(server); }

  /** Since when natsid, connected to `via` (null: to none), has been able to hear of the server; Infinity: it is not. */
  freeSince(via, server) {
    if (!via) return Infinity;
    const way = [via, this.#stage.linkTo(via)];
    if (server !== via) {
      const [i, j] = [via, server].map((each) => this.#stage.servers.indexOf(each));
      way.push(server, this.#stage.routeBetween(i, j));
    }
    return Math.max(...way.map((each) => this.#freeSince.get(each) ?? 0));
  }

  #begin(what) { this.#freeSince.set(what, Infinity); }

  #end(what) { this.#freeSince.set(what, performance.now()); }

  // ---- servers ----

  async #stop(server) {
    this.#down.add(server);
    this.#begin(server);
    await server.stop('SIGKILL');
  }

  async #start(server) {
    await server.start();
    this.#down.delete(server);
    this.#end(server);
  }

  /** With other files, of these accounts or of all, than it went down with. */
  async #startChanged(server, keys) {
    this.observer.touched(server, 'restart', keys);
    await this.#start(server);
    this.observer.touched(server, 'restart', keys); // the time runs from here
  }

  async kill(server) {
    await this.#stop(server);
    return () => this.#start(server);
  }

  pause(server) {
    this.#down.add(server);
    this.#begin(server);
    server.pause();
    const release = this.observer.holdBack();
    return () => {
      server.resume();
      release();
      this.#down.delete(server);
      this.#end(server);
    };
  }

  /** Another machine with the same name: nothing of the old one is left. */
  async replace(server) {
    await this.#stop(server);
    await server.wipe();
    return () => this.#startChanged(server);
  }

  /** It comes back with the files that it had when it went down last, or at the beginning. */
  async restore(server) {
    await this.#stop(server);
    const copy = `${server.store}.older`;
    await server.wipe();
    await cp(copy, server.store, { recursive: true, preserveTimestamps: true });
    return () => this.#startChanged(server);
  }

  /** What restore() brings back. */
  async remember(server) {
    const copy = `${server.store}.older`;
    await rm(copy, { recursive: true, force: true });
    await cp(server.store, copy, { recursive: true, preserveTimestamps: true });
  }

  /** Files that were never written to the disk when the machine lost its power. */
  async truncateStopped(server, draw) {
    await this.#stop(server);
    const files = await this.#drawFiles(server, draw);
    await truncateEach(files, draw);
    return () => this.#startChanged(server, keysOf(files));
  }

  /** Only the sweep sees it. Told twice: what the observer reads meanwhile may be from before or after. */
  async #damageRunning(server, files, damage) {
    this.observer.touched(server, 'sweep', keysOf(files));
    await damage();
    this.observer.touched(server, 'sweep', keysOf(files));
  }

  async truncateRunning(server, draw) {
    const files = await this.#drawFiles(server, draw);
    await this.#damageRunning(server, files, () => truncateEach(files, draw));
  }

  async wipeRunning(server) {
    const files = await filesOf(server);
    await this.#damageRunning(server, files, () => Promise.all(files.map((file) => rm(file, { force: true }))));
  }

  /** Without the system account's: with that file damaged the server does not start, or lets nobody in. */
  async #drawFiles(server, draw) {
    return (await filesOf(server, [this.#systemKey])).filter(() => draw.chance(0.6));
  }

  // ---- links ----

  #cutLink(link) {
    this.#begin(link);
    link.cut();
    return () => {
      link.heal();
      this.#end(link);
    };
  }

  /** Does something to a link that has its bytes come late. */
  #hinder(link, how) {
    this.#begin(link);
    const release = this.observer.holdBack();
    how();
    return () => {
      link.heal();
      release();
      this.#end(link);
    };
  }

  #silenceLink(link) { return this.#hinder(link, () => link.silence()); }

  #slowLink(link, draw) {
    return this.#hinder(link, () => {
      if (draw.chance(0.5)) link.delay(draw.between(20, 400));
      else link.throttle(draw.between(50_000, 200_000));
    });
  }

  #lossyLink(link, draw) {
    return this.#hinder(link, () => link.lose(draw.between(5, 40) / 100, draw));
  }

  cutClient(server) { return this.#cutLink(this.#stage.linkTo(server)); }
  silenceClient(server) { return this.#silenceLink(this.#stage.linkTo(server)); }
  slowClient(server, draw) { return this.#slowLink(this.#stage.linkTo(server), draw); }
  lossOnClient(server, draw) { return this.#lossyLink(this.#stage.linkTo(server), draw); }
  cutRoute([i, j]) { return this.#cutLink(this.#stage.routeBetween(i, j)); }
  silenceRoute([i, j]) { return this.#silenceLink(this.#stage.routeBetween(i, j)); }
  slowRoute([i, j], draw) { return this.#slowLink(this.#stage.routeBetween(i, j), draw); }
  lossOnRoute([i, j], draw) { return this.#lossyLink(this.#stage.routeBetween(i, j), draw); }

  /** Connections break and can be made again at once. */
  dropClient(server) {
    this.#stage.linkTo(server).drop();
    this.#end(this.#stage.linkTo(server));
  }

  // ---- natsid, and others ----

  async killDaemon() {
    await this.onDaemonDown();
    await this.#stage.killDaemon();
    return async () => {
      await this.#stage.startDaemon();
      await this.onDaemonUp();
    };
  }

  pauseDaemon() {
    this.isDaemonPaused = true;
    this.#stage.daemon.pause();
    return () => {
      this.#stage.daemon.resume();
      this.isDaemonPaused = false;
    };
  }

  /** An older JWT of natsid's, pushed again by somebody else. */
  async pushStale(server, draw) {
    const newest = new Map();
    for (const { stamp } of this.#stage.pushes) newest.set(stamp.key, stamp.generation);
    const older = this.#stage.pushes.filter(({ stamp }) => stamp.key !== this.#systemKey && stamp.generation < newest.get(stamp.key));
    if (older.length === 0) return undefined;
    const { jwt } = draw.pick(older);
    await this.observer.pushByAnotherHand(server, jwt);
    return undefined;
  }
}

/** What may be drawn, by what it needs to itself: a server, a pair of servers, or natsid. */
export const KINDS = {
  server: ['kill', 'pause', 'replace', 'restore', 'truncateStopped', 'truncateRunning', 'wipeRunning', 'pushStale'],
  link: ['cutClient', 'silenceClient', 'slowClient', 'lossOnClient', 'dropClient'],
  route: ['cutRoute', 'silenceRoute', 'slowRoute', 'lossOnRoute'],
  daemon: ['killDaemon', 'pauseDaemon'],
};
