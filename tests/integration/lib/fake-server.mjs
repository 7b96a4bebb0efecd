// A NATS server that is a script: it speaks the client protocol, and stands for a whole system of servers with full
// resolvers behind one port. What it answers to natsid's questions can be replaced question by question.
import { createServer } from 'node:net';
import { createServer as createServerKey } from '@nats-io/nkeys';
import { claimsIn } from './claims.mjs';
import { freePort } from './nats.mjs';
import { clientReader } from './wire.mjs';

/** A matching subject: tokens, `*` and `>`. */
function matches(pattern, subject) {
  const [wanted, found] = [pattern, subject].map((text) => text.split('.'));
  const rest = wanted.at(-1) === '>';
  if (rest ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((token, i) => token === '*' || (rest && i === wanted.length - 1) || token === found[i]);
}

/** One of the servers that the fake stands for: a name, an incarnation, and the JWTs that it holds. */
class Member {
  held = new Map(); // account key -> JWT

  constructor(name) {
    this.name = name;
    this.restart();
  }

  restart() { this.id = createServerKey().getPublicKey(); }

  /** What each of its answers says of it. */
  get server() {
    return { name: this.name, host: '127.0.0.1', id: this.id, cluster: 'fake', ver: '2.11.9', jetstream: false, flags: 0, seq: 1, time: new Date().toISOString() };
  }
}

// What a well-behaved server answers. fake: the FakeServer; member: who answers; gives the payload.
const answers = {
  PING: (fake, member) => ({ server: member.server, statsz: { active_servers: fake.members.length, connections: 1 } }),
  VARZ: (fake, member) => ({
    server: member.server,
    data: { server_id: member.id, server_name: member.name, trusted_operators_claim: fake.operators, system_account: fake.systemAccount },
  }),
  LIST: (fake, member) => ({ server: member.server, data: [...member.held.keys()] }),
  LOOKUP: (fake, member, { key }) => member.held.get(key) ?? '',
  UPDATE: (fake, member, { payload }) => {
    const key = claimsIn(payload).sub;
    member.held.set(key, payload);
    return { server: member.server, data: { account: key, code: 200, message: 'jwt updated' } };
  },
  CONNZ: (fake, member) => ({ server: member.server, data: { server_id: member.id, num_connections: 0, total: 0, offset: 0, limit: 1024, connections: [] } }),
  JSZ: (fake, member) => ({ server: member.server, data: { server_id: member.id, disabled: true } }),
};

/** The question in a subject: {kind, key?, id?}; null when it is none that servers know. */
function questionOf(subject) {
  const words = subject.split('.').slice(2);
  if (words[0] === 'SERVER' && words[1] === 'PING') return { kind: words[2] === 'STATSZ' ? 'PING' : words[2] ?? 'PING' };
  if (words[0] === 'SERVER') return { kind: words[2] === 'STATSZ' ? 'PING' : words[2], id: words[1] };
  if (words[0] === 'CLAIMS') return { kind: words[1] };
  if (words[0] === 'ACCOUNT' && words[2] === 'CLAIMS') return { kind: words[3], key: words[1] };
  return null;
}

export class FakeServer {
  behaviours = new Map(); // kind -> (question, fake): answers as it likes, or not at all
  asked = []; // {kind, subject, payload, at}
  problems = []; // what it could not read, or what broke in a behaviour
  #connections = new Set();

  /** names: of the servers that it stands for; operators: the decoded claims of the operator that they trust. */
  constructor({ names = ['f1'], operators, systemAccount }) {
    Object.assign(this, { operators, systemAccount });
    this.members = names.map((name) => new Member(name));
  }

  async start() {
    this.port = await freePort();
    this.listener = createServer((socket) => this.#accept(socket));
    await new Promise((resolve, reject) => { this.listener.once('error', reject).listen(this.port, '127.0.0.1', resolve); });
    return this;
  }

  get url() { return `nats://127.0.0.1:${this.port}`; }

  /** Puts a script in the place of the answers to a kind of question; without one, they are those of a good server again. */
  answer(kind, behaviour) {
    if (behaviour) this.behaviours.set(kind, behaviour);
    else this.behaviours.delete(kind);
  }

  behave() { this.behaviours.clear(); }

  count(kind) { return this.asked.filter((question) => question.kind === kind).length; }

  #accept(socket) {
    const connection = { socket, subscriptions: new Map() }; // sid -> subject
    this.#connections.add(connection);
    socket.setNoDelay();
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(connection));
    const info = {
      server_id: this.members[0].id, server_name: this.members[0].name, version: '2.11.9', proto: 1, go: 'go1.24', host: '127.0.0.1',
      port: this.port, headers: true, max_payload: 1048576, client_id: this.#connections.size, auth_required: true, nonce: 'AAAAAAAAAAAAAAA', cluster: 'fake',
    };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    const read = clientReader((operation) => this.#onOperation(connection, operation));
    socket.on('data', (chunk) => {
      try {
        read(chunk);
      } catch (error) {
        this.problems.push(error);
        socket.destroy();
      }
    });
  }

  #onOperation(connection, { verb, args, subject, reply, payload }) {
    if (verb === 'CONNECT') connection.options = JSON.parse(args);
    else if (verb === 'PING') connection.socket.write('PONG\r\n');
    else if (verb === 'SUB') connection.subscriptions.set(args.split(/\s+/).at(-1), args.split(/\s+/)[0]);
    else if (verb === 'UNSUB') this.#unsubscribe(connection, args);
    else if (verb === 'PUB' || verb === 'HPUB') this.#onMessage(connection, subject, reply, payload.toString());
  }

  #unsubscribe(connection, args) {
    const [sid, max] = args.split(/\s+/);
    if (max === undefined) connection.subscriptions.delete(sid);
  }

  #onMessage(connection, subject, reply, payload) {
    const asked = subject.startsWith('$SYS.REQ.') ? questionOf(subject) : null;
    if (!asked) return;
    const question = {
      ...asked, subject, payload, at: performance.now(),
      send: (body) => this.#deliver(connection, reply, typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body)),
      none: () => this.#deliver(connection, reply, '', 'NATS/1.0 503\r\n\r\n'),
    };
    question.usual = (members = this.members) => {
      for (const member of members) if (!question.id || question.id === member.id) question.send(answers[question.kind](this, member, question));
    };
    this.asked.push(question);
    const behaviour = this.behaviours.get(question.kind);
    if (behaviour) behaviour(question, this);
    else if (answers[question.kind]) question.usual();
    else question.none();
  }

  #deliver({ socket, subscriptions }, subject, body, header = '') {
    if (!subject || socket.destroyed) return;
    for (const [sid, pattern] of subscriptions) {
      if (!matches(pattern, subject)) continue;
      const bytes = Buffer.from(body);
      const head = Buffer.byteLength(header);
      socket.write(head > 0 ? `HMSG ${subject} ${sid} ${head} ${head + bytes.length}\r\n${header}` : `MSG ${subject} ${sid} ${bytes.length}\r\n`);
      socket.write(bytes);
      socket.write('\r\n');
      return;
    }
  }

  /** Publishes to who is subscribed: an event of the servers, or another hand's push. */
  publish(subject, body) {
    for (const connection of this.#connections) this.#deliver(connection, subject, body);
  }

  async stop() {
    const closed = new Promise((resolve) => { this.listener.close(resolve); });
    for (const { socket } of this.#connections) socket.destroy();
    await closed;
  }
}
