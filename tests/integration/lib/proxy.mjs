// TCP links that can be cut, silenced, delayed, throttled and made lossy, and read on their way.
import { createConnection, createServer } from 'node:net';
import { freePort } from './nats.mjs';

/** How bytes pass: up is from who connected to the target, down the way back. */
const FREE = { refuse: false, hold: false, delay: 0, rate: Infinity, loss: 0, draw: null };

/** After which TCP sends again what was lost, in milliseconds; each time twice as long, up to a limit. */
const RESEND_FIRST_MS = 200;
const RESEND_MAX_MS = 1600;

/** TCP hides loss: what is lost comes later, once it was sent so often that it arrived. In milliseconds. */
function stall({ loss, draw }) {
  let total = 0;
  for (let wait = RESEND_FIRST_MS; loss > 0 && draw.chance(loss); wait = Math.min(2 * wait, RESEND_MAX_MS)) total += wait;
  return total;
}

/**
 * One direction of one connection: what came in leaves in its order, by the rules that the link has at that time.
 * Bytes that are held are not lost: a network that heals delivers what TCP sends again.
 */
class Pipe {
  #queue = []; // {chunk, due}; chunk null: the end of the stream
  #timer = null;
  #free = 0; // performance.now() at which the throttle lets the next bytes pass

  constructor(link, from, to, sniff) {
    Object.assign(this, { link, from, to });
    from.on('data', (chunk) => {
      sniff?.(chunk);
      this.#put(chunk);
    });
    from.on('end', () => this.#put(null));
    to.on('drain', () => this.flush());
  }

  #put(chunk) {
    const { rules } = this.link;
    this.#queue.push({ chunk, due: performance.now() + rules.delay + stall(rules) });
    this.flush();
  }

  flush() {
    clearTimeout(this.#timer);
    const { rules } = this.link;
    while (this.#queue.length > 0 && !rules.hold && !this.to.destroyed && !this.to.writableNeedDrain) {
      const wait = Math.max(this.#queue[0].due, this.#free) - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.flush(), Math.ceil(wait));
        return;
      }
      const { chunk } = this.#queue.shift();
      if (chunk === null) this.to.end();
      else this.to.write(chunk);
      this.#free = performance.now() + ((chunk?.length ?? 0) / rules.rate) * 1000;
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#queue = [];
  }
}

export class Link {
  rules = { ...FREE };
  #connections = new Set();

  /** target: the port that it leads to; sniff(): a reader for each connection's bytes up, told each chunk as it comes in. */
  constructor(name, target, { sniff } = {}) {
    Object.assign(this, { name, target, sniff });
    this.listener = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  async start() {
    this.port = await freePort();
    await new Promise((resolve, reject) => {
      this.listener.once('error', reject).listen(this.port, '127.0.0.1', resolve);
    });
    return this;
  }

  get url() { return `nats://127.0.0.1:${this.port}`; }

  #accept(client) {
    if (this.rules.refuse) {
      client.on('error', () => {}).resetAndDestroy();
      return;
    }
    const server = createConnection({ port: this.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const pipes = [new Pipe(this, client, server, this.sniff?.()), new Pipe(this, server, client)];
    const connection = { pipes, sockets: [client, server] };
    this.#connections.add(connection);
    client.setNoDelay();
    for (const socket of connection.sockets) {
      socket.on('error', () => this.#broken(connection));
      socket.on('close', () => {
        if (connection.sockets.every(({ destroyed }) => destroyed)) this.#reset(connection);
      });
    }
  }

  /** One side is gone. The other one hears of it when the link lets anything pass. */
  #broken(connection) {
    connection.isBroken = true;
    if (!this.rules.hold) this.#reset(connection);
  }

  #reset(connection) {
    this.#connections.delete(connection);
    for (const pipe of connection.pipes) pipe.close();
    for (const socket of connection.sockets) {
      // A socket whose end is on its way cannot be reset: it would be left open for ever.
      if (socket.writableEnded) socket.destroy();
      else if (!socket.destroyed) socket.resetAndDestroy();
    }
  }

  #set(rules) {
    this.rules = { ...FREE, ...rules };
    for (const connection of this.#connections) {
      if (connection.isBroken && !this.rules.hold) this.#reset(connection);
      else for (const pipe of connection.pipes) pipe.flush();
    }
  }

  /** Connections end with a reset, and new ones are refused. */
  cut() {
    this.#set({ refuse: true });
    for (const connection of this.#connections) this.#reset(connection);
  }

  /** Nothing passes, and nobody is told: a black hole. */
  silence() { this.#set({ hold: true }); }

  /** Each byte arrives so many milliseconds later. */
  delay(ms) { this.#set({ delay: ms }); }

  /** So many bytes a second. */
  throttle(rate) { this.#set({ rate }); }

  /**
   * Chunks are lost with this probability, and so is each further try to send one: it stalls, and with it all that comes
   * after it, in its order.
   */
  lose(probability, draw) { this.#set({ loss: probability, draw }); }

  heal() { this.#set({}); }

  /** Ends what passes now; new connections find the link as it is. */
  drop() {
    for (const connection of this.#connections) this.#reset(connection);
  }

  async stop() {
    const closed = new Promise((resolve) => { this.listener.close(resolve); });
    this.drop();
    await closed;
  }
}
