// JetStream as it is spoken: requests and answers, without a client library of its own.
import assert from 'node:assert/strict';
import { until } from './processes.mjs';

export class JetStream {
  constructor(client) {
    this.client = client;
  }

  async ask(subject, body) {
    const message = await this.client.nc.request(subject, body === undefined ? '' : JSON.stringify(body), { timeout: 10_000 });
    return message.json();
  }

  /** The answer; fails when it is an error. */
  async must(subject, body) {
    const answer = await this.ask(subject, body);
    assert.equal(answer.error, undefined, `${subject}: ${JSON.stringify(answer.error)}`);
    return answer;
  }

  /** config: the stream's, beside its subject NAME.>. */
  #stream(name, config) {
    const body = { name, subjects: [`${name}.>`], retention: 'limits', storage: 'file', num_replicas: 1, ...config };
    return [`$JS.API.STREAM.CREATE.${name}`, body];
  }

  #consumer(stream, name, config) {
    const body = { stream_name: stream, config: { durable_name: name, ack_policy: 'explicit', ...config } };
    return [`$JS.API.CONSUMER.CREATE.${stream}.${name}`, body];
  }

  stream(name, config) { return this.must(...this.#stream(name, config)); }
  consumer(stream, name, config) { return this.must(...this.#consumer(stream, name, config)); }
  remove(name) { return this.must(`$JS.API.STREAM.DELETE.${name}`); }

  async #refused(request, pattern) {
    const { error } = await this.ask(...request);
    assert.match(error?.description ?? 'no error', pattern);
  }

  refusesStream(name, pattern, config) { return this.#refused(this.#stream(name, config), pattern); }
  refusesConsumer(stream, name, pattern, config) { return this.#refused(this.#consumer(stream, name, config), pattern); }

  /** What the account may have and has, once it fits. */
  info(what, fits) {
    // Three servers choose a leader first.
    return until(what, async () => {
      const answer = await this.ask('$JS.API.INFO');
      return fits(answer) && answer;
    }, { deadline: 40_000 });
  }
}
