// A stage whose every connection passes through a link that can fail: from natsid to each server, and between servers.
import { clientReader } from './wire.mjs';
import { Link } from './proxy.mjs';
import { Stage } from './stage.mjs';
import { stampOf } from './stamp.mjs';

const PUSH = '$SYS.REQ.CLAIMS.UPDATE';

export class NetworkStage extends Stage {
  pushes = []; // {at, jwt, stamp}: what natsid sent, in its order, whether it arrived or not
  #clientLinks = new Map(); // server name -> Link
  #routeLinks = new Map(); // 'i-j' -> Link

  /** Whether natsid ever sent an older state after a newer one; null or what it did. */
  disorder = null;
  #newest = new Map(); // account key -> generation

  async makeServer(which, name, index, routes) {
    for (let other = index + 1; other < routes.length; other += 1) {
      this.#routeLinks.set(`${index}-${other}`, await new Link(`route ${index + 1}-${other + 1}`, routes[other]).start());
    }
    const server = await super.makeServer(which, name, index, routes);
    const sniff = () => clientReader((operation) => this.#onOperation(operation));
    this.#clientLinks.set(name, await new Link(`link ${name}`, server.port, { sniff }).start());
    return server;
  }

  /**
   * Of each pair the first one dials, through their link. What servers tell each other of where they are leads nowhere,
   * so that no route goes around the links.
   */
  cluster(index, routes) {
    const urls = routes.map((_, other) => this.#routeLinks.get(`${index}-${other}`)?.url).filter(Boolean);
    return `{ name: "c", listen: "127.0.0.1:${routes[index]}", advertise: "127.0.0.1:1", no_advertise: true,\n`
      + `\troutes: [${urls.map((url) => `"${url}"`)}] }`;
  }

  linkTo(server) { return this.#clientLinks.get(server.name); }

  routeBetween(i, j) { return this.#routeLinks.get(i < j ? `${i}-${j}` : `${j}-${i}`); }

  get links() { return [...this.#clientLinks.values(), ...this.#routeLinks.values()]; }

  startDaemon({ nats = this.servers.map((server) => this.linkTo(server).url).join(',') } = {}) {
    return super.startDaemon({ nats });
  }

  #onOperation({ subject, payload }) {
    if (subject !== PUSH) return;
    const jwt = payload.toString('latin1');
    const stamp = stampOf(jwt);
    this.pushes.push({ at: performance.now(), jwt, stamp });
    const newest = this.#newest.get(stamp?.key) ?? 0;
    if (!stamp || stamp.generation < newest) {
      this.disorder ??= `natsid pushed ${stamp ? `${stamp.key} generation ${stamp.generation} after ${newest}` : 'no account of its own'}`;
      return;
    }
    this.#newest.set(stamp.key, stamp.generation);
  }

  async down() {
    try {
      await super.down();
    } finally {
      await Promise.all(this.links.map((link) => link.stop()));
    }
  }
}
