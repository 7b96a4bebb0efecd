// The official client, with a record of all that happened to its connection.
import assert from 'node:assert/strict';
import { connect as natsConnect, credsAuthenticator } from '@nats-io/transport-node';
import { until } from './processes.mjs';

let messages = 0;

export class Client {
  events = []; // {type, at, error?, ...} in their order; at: performance.now()
  closed = null; // an Error or true, once the client gave up or was closed

  static async connect(servers, creds, options = {}) {
    const bytes = creds instanceof Uint8Array ? creds : new TextEncoder().encode(creds);
    const nc = await natsConnect({
      servers,
      authenticator: credsAuthenticator(bytes),
      reconnectTimeWait: 50,
      reconnectJitter: 0,
      maxReconnectAttempts: -1,
      timeout: 10_000, // for one try to connect
      ...options,
    });
    return new Client(nc);
  }

  constructor(nc) {
    this.nc = nc;
    (async () => {
      for await (const status of nc.status()) this.events.push({ ...status, at: performance.now() });
    })();
    nc.closed().then((error) => { this.closed = error ?? true; });
  }

  /** The first event of the type at or after `since` (performance.now()) that fits. */
  event(type, { since = 0, fits = () => true, ...options } = {}) {
    const match = (event) => event.type === type && event.at >= since && fits(event);
    return until(`the client's event "${type}"`, () => this.events.find(match), options);
  }

  count(type) {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Cut and back since then: how many milliseconds each took. */
  async cutAndBack(since) {
    const cut = await this.event('disconnect', { since });
    const back = await this.event('reconnect', { since });
    return { cut: Math.round(cut.at - since), back: Math.round(back.at - since) };
  }

  /** A message to the subject arrives at the other client; sent again until its server knows of the subscription. */
  async reaches(other, subject) {
    const payload = `message ${(messages += 1)}`;
    const subscription = other.nc.subscribe(subject);
    let arrived = false;
    const reading = (async () => {
      for await (const message of subscription) arrived ||= message.string() === payload;
    })();
    await other.nc.flush();
    await until(`a message to ${subject} arrives`, async () => {
      this.nc.publish(subject, payload);
      await this.nc.flush();
      await other.nc.flush();
      return arrived;
    }, { every: 50 });
    subscription.unsubscribe();
    await reading;
  }

  #refused(operation, subject, since) {
    return this.event('error', {
      since,
      fits: ({ error }) => error.name === 'PermissionViolationError' && error.operation === operation && error.subject === subject,
    });
  }

  async isRefusedToPublish(subject) {
    const since = performance.now();
    this.nc.publish(subject, 'not allowed');
    await this.#refused('publish', subject, since);
  }

  async isRefusedToSubscribe(subject) {
    const since = performance.now();
    this.nc.subscribe(subject, { callback: () => {} });
    await this.#refused('subscription', subject, since);
  }

  close() {
    return this.nc.close();
  }
}

/**
 * The servers do not let anybody in with these creds. A server may close the connection before the client has read
 * its "Authorization Violation"; the client then knows of a timeout only, and asks again.
 */
export async function assertRefused(servers, creds) {
  const outcome = await until('the servers judge the creds', async () => {
    try {
      const client = await Client.connect(servers, creds, { reconnect: false, timeout: 2000 });
      await client.close();
      return 'accepted';
    } catch (error) {
      if (/authorization/i.test(`${error.name} ${error.message}`)) return 'refused';
      throw error;
    }
  });
  assert.equal(outcome, 'refused');
}
