// What can go wrong with a NATS system, each as something that a schedule can do and take back.
import { cp, readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { NOTICE } from './observer.mjs';

/** The account files of a server, without those of `except`. */
async function filesOf(server, except = []) {
  const names = await readdir(server.store).catch(() => []);
  return names.filter((name) => name.endsWith('.jwt') && !except.some((key) => name.startsWith(key)))
    .sort().map((name) => join(server.store, name));
}

/**
 * The faults of one run. Each takes the server (or pair) and the random numbers of its event, and gives back how to end it:
 * a function, or nothing for what is over at once.
 */
export class Faults {
  isDaemonPaused = false;
  observer = null; // set by who makes both
  #stage;
  #down = new Set(); // servers that do not run, or hang
  #cut = new Set(); // links and routes that let nothing pass
  #systemKey;

  /** onDaemonDown, onDaemonUp: what else happens around a restart of natsid. */
  constructor(stage, { systemKey, onDaemonDown, onDaemonUp }) {
    this.#stage = stage;
    this.#systemKey = systemKey;
    Object.assign(this, { onDaemonDown, onDaemonUp });
  }

  // ---- what is at work ----

  isUp(server) { return !this.#down.has(server); }

  /** natsid, connected to `server`, can hear of the other one. */
  reaches(server, other) {
    if (!server || !this.isUp(server) || !this.isUp(other) || this.#cut.has(this.#stage.linkTo(server))) return false;
    if (server === other) return true;
    const [i, j] = [server, other].map((each) => this.#stage.servers.indexOf(each));
    return !this.#cut.has(this.#stage.routeBetween(i, j));
  }

  // ---- servers ----

  async #stop(server) {
    this.#down.add(server);
    await server.stop('SIGKILL');
  }

  async #start(server) {
    await server.start();
    this.#down.delete(server);
    this.observer.excuse(server, NOTICE.restart);
  }

  async kill(server) {
    await this.#stop(server);
    return () => this.#start(server);
  }

  pause(server) {
    this.#down.add(server);
    server.pause();
    return () => {
      server.resume();
      this.#down.delete(server);
      this.observer.excuse(server, NOTICE.restart);
    };
  }

  /** Another machine with the same name: nothing of the old one is left. */
  async replace(server) {
    await this.#stop(server);
    await server.wipe();
    return async () => {
      this.observer.forget(server);
      await this.#start(server);
    };
  }

  /** It comes back with the files that it had when it went down last, or at the beginning. */
  async restore(server) {
    await this.#stop(server);
    const copy = `${server.store}.older`;
    await server.wipe();
    await cp(copy, server.store, { recursive: true, preserveTimestamps: true });
    return async () => {
      this.observer.forget(server);
      await this.#start(server);
    };
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
    await this.#damage(server, draw);
    return async () => {
      this.observer.forget(server);
      await this.#start(server);
    };
  }

  async truncateRunning(server, draw) {
    await this.#damage(server, draw);
    this.observer.forget(server);
    this.observer.excuse(server, NOTICE.sweep);
  }

  async wipeRunning(server) {
    for (const file of await filesOf(server)) await rm(file, { force: true });
    this.observer.forget(server);
    this.observer.excuse(server, NOTICE.sweep);
  }

  /** Without the system account's: with that file damaged the server does not start, or lets nobody in. */
  async #damage(server, draw) {
    for (const file of await filesOf(server, [this.#systemKey])) {
      if (draw.chance(0.6)) await truncate(file, draw.pick([0, 1, 100])).catch(() => {});
    }
  }

  // ---- links ----

  #cutLink(link) {
    this.#cut.add(link);
    link.cut();
    return () => {
      link.heal();
      this.#cut.delete(link);
    };
  }

  /** Bytes that were held arrive after all, perhaps after newer ones on another way. */
  #silenceLink(link, servers) {
    this.#cut.add(link);
    link.silence();
    return () => {
      link.heal();
      this.#cut.delete(link);
      for (const server of servers) this.observer.excuse(server, NOTICE.sweep);
    };
  }

  #slowLink(link, draw) {
    if (draw.chance(0.5)) link.delay(draw.between(20, 400));
    else link.throttle(draw.between(50_000, 200_000));
    return () => link.heal();
  }

  cutClient(server) { return this.#cutLink(this.#stage.linkTo(server)); }
  silenceClient(server) { return this.#silenceLink(this.#stage.linkTo(server), this.#stage.servers); }
  slowClient(server, draw) { return this.#slowLink(this.#stage.linkTo(server), draw); }
  cutRoute([i, j]) { return this.#cutLink(this.#stage.routeBetween(i, j)); }
  silenceRoute([i, j]) { return this.#silenceLink(this.#stage.routeBetween(i, j), [this.#stage.servers[i], this.#stage.servers[j]]); }
  slowRoute([i, j], draw) { return this.#slowLink(this.#stage.routeBetween(i, j), draw); }

  /** Connections break and can be made again at once. */
  dropClient(server) { this.#stage.linkTo(server).drop(); }

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
  link: ['cutClient', 'silenceClient', 'slowClient', 'dropClient'],
  route: ['cutRoute', 'silenceRoute', 'slowRoute'],
  daemon: ['killDaemon', 'pauseDaemon'],
};
