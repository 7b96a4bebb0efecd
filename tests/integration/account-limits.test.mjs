// The limits of accounts, as servers enforce them: on who comes, and on who is there when they are cut.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, jwtAuthenticator } from '@nats-io/transport-node';
import { changeUntil } from './lib/claims.mjs';
import { Client } from './lib/client.mjs';
import { freePort, NatsServer } from './lib/nats.mjs';
import { outsideUser } from './lib/outside.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const full = /maximum account active connections exceeded/i;

for (const which of ['newest', 'oldest']) {
  onStage(`limits of accounts on the ${which} server`, { which, leafnodes: true }, (stage, test) => {
    let role;

    /** An account with a user that may do everything. */
    async function makeAccount(name, fields) {
      role ??= await stage.createRole('everything', ['>'], ['>']);
      const account = await stage.createAccount(name, fields);
      const user = await stage.createUser(`${name}-user`, account, role);
      await stage.proven(account);
      return { account, creds: user.creds_file };
    }

    const changed = async (account, fields) => {
      await stage.change(account, fields);
      await stage.proven(account);
    };

    const once = (creds, options) => stage.connect(creds, { reconnect: false, ...options });

    /** The server lets nobody in, and says why; it may have closed the connection before the client has read that. */
    const assertFull = (creds) => until('the server is full', () => once(creds).then(() => {
      throw new Error('it lets the client in');
    }, (error) => full.test(error.message) || Promise.reject(error)));

    const cut = (client) => until('the client is cut', () => client.closed);

    async function subscribe(client, count) {
      for (let i = 0; i < count; i += 1) client.nc.subscribe(`s.${i}`);
      await client.nc.flush();
    }

    test('max_connections: no more than that come in', async () => {
      const { account, creds } = await makeAccount('few', { max_connections: 2 });
      await once(creds);
      await once(creds);
      await assertFull(creds);
      await changed(account, { max_connections: 3 });
      await once(creds);
      await assertFull(creds);
    });

    test('max_connections cut: those above it are cut', async (t) => {
      const { account, creds } = await makeAccount('cut');
      const clients = [];
      for (let i = 0; i < 5; i += 1) clients.push(await once(creds));
      const left = () => clients.filter((client) => client.closed === null);
      const what = 'max_connections 5 to 2: three of five clients cut';
      await changeUntil(stage, t, account, { max_connections: 2 }, what, () => until('two are left', () => left().length === 2));
      await stage.proven(account);
      for (const client of left()) await client.nc.flush();
      assert.equal(left().length, 2);
      await assertFull(creds);
    });

    test('max_connections 0: nobody is left', async (t) => {
      const { account, creds } = await makeAccount('none');
      const client = await once(creds);
      await changeUntil(stage, t, account, { max_connections: 0 }, 'max_connections to 0: the client cut', () => cut(client));
      await assertFull(creds);
    });

    test('max_subscriptions: no more of a connection are accepted', async () => {
      const { creds } = await makeAccount('subscriptions', { max_subscriptions: 3 });
      const client = await once(creds);
      await subscribe(client, 3);
      assert.equal(client.events.length, 0);
      client.nc.subscribe('s.more');
      await client.event('error', { fits: ({ error }) => /maximum subscriptions exceeded/i.test(error.message) });
    });

    test('max_subscriptions cut: a connection with more is cut', async (t) => {
      const { account, creds } = await makeAccount('many-subscriptions');
      const [more, less] = [await once(creds), await once(creds)];
      await subscribe(more, 8);
      await subscribe(less, 4); // servers cut also who has just as many as the limit is
      const what = 'max_subscriptions to 5: a client with 8 cut';
      await changeUntil(stage, t, account, { max_subscriptions: 5 }, what, () => cut(more));
      await stage.proven(account);
      await less.nc.flush();
      assert.equal(less.closed, null);
    });

    test('max_payload: clients are told, and keep to it', async () => {
      const { creds } = await makeAccount('payload', { max_payload: 100 });
      const [client, other] = [await once(creds), await once(creds)];
      await until('the client was told', () => client.nc.info.max_payload === 100);
      const received = other.nc.subscribe('exactly', { max: 1 });
      await other.nc.flush();
      client.nc.publish('exactly', 'x'.repeat(100));
      for await (const message of received) assert.equal(message.data.length, 100);
    });

    test('max_payload cut: who publishes more is cut', async (t) => {
      const { account, creds } = await makeAccount('payload-cut');
      const client = await once(creds);
      client.nc.publish('large', 'x'.repeat(101));
      await client.nc.flush();
      const violation = ({ type, error }) => type === 'error' && /maximum payload violation/i.test(error.message);
      const cutForIt = () => until('a message that is too large is refused', () => {
        if (client.closed === null) client.nc.publish('large', 'x'.repeat(101));
        return client.events.some(violation);
      });
      await changeUntil(stage, t, account, { max_payload: 100 }, 'max_payload to 100: 101 bytes refused', cutForIt);
      await cut(client);
    });

    /** A server that has the account's user for its way up, and a client of it. */
    async function startLeaf(t, name, file) {
      const [hub] = stage.servers;
      const port = await freePort();
      const remote = `{ url: "nats-leaf://127.0.0.1:${hub.leafPort}", credentials: "${file}" }`;
      const configuration = `server_name: ${name}\nport: ${port}\nleafnodes: { reconnect: 1, remotes: [${remote}] }\n`;
      const leaf = new NatsServer({ which, name, port, directory: stage.directory, configuration });
      await leaf.start();
      t.after(() => leaf.stop('SIGKILL'));
      leaf.connect = async () => {
        const client = new Client(await connect({ servers: leaf.url }));
        stage.clients.push(client);
        return client;
      };
      return leaf;
    }

    test('max_leafnodes: no more than that come in', async (t) => {
      const { account, creds } = await makeAccount('leaves', { max_leafnodes: 1 });
      const file = join(stage.directory, 'leaves.creds');
      await writeFile(file, creds);
      const client = await stage.connect(creds);
      const first = await startLeaf(t, 'leaf-1', file);
      await client.reaches(await first.connect(), 'to.leaf');
      const second = await startLeaf(t, 'leaf-2', file);
      await until('it is refused', () => full.test(second.log));
      await changed(account, { max_leafnodes: 2 });
      await client.reaches(await second.connect(), 'to.leaf');
      // Servers cut no leaf node for this limit, but it does not come back.
      assert.doesNotMatch(first.log, full);
      await changed(account, { max_leafnodes: 0 });
      await first.stop();
      await first.start();
      await until('it is refused', () => full.test(first.log));
    });

    const asBearer = (jwt, options) => once('', { authenticator: jwtAuthenticator(jwt), ...options });
    const assertNoBearer = (jwt) => until('the bearer is refused', () => asBearer(jwt).then(() => {
      throw new Error('it is let in');
    }, (error) => /authorization/i.test(error.message) || Promise.reject(error)));
    let account, scoped, own, client;

    test('bearers come in without a key, unless the account disallows it', async (t) => {
      account = await stage.createAccount('bearers');
      const bearers = await stage.createRole('bearer', ['>'], ['>'], { bearer_token: true });
      const user = await stage.createUser('bearer', account, bearers);
      await stage.proven(account);
      scoped = /\w+\.[\w-]+\.[\w-]+/.exec(await stage.creds(user))[0];
      own = (await outsideUser(stage, account, { bearer_token: true })).jwt;
      client = await asBearer(scoped);
      const other = await asBearer(own);
      await client.reaches(other, 'from.bearer');
      const what = 'disallow_bearer: a bearer by its own JWT cut';
      await changeUntil(stage, t, account, { disallow_bearer: true }, what, () => cut(other));
      await stage.proven(account);
      await assertNoBearer(own);
      await assertNoBearer(scoped);
    });

    // Servers look for bearer_token in the user's JWT only, where it is not when the role says it.
    test('disallow_bearer: bearers by their role are cut as well', () => cut(client));
  });
}
