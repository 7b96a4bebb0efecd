// What a publisher that pushes and believes the answer gets wrong: each with real servers.
import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from '@nats-io/jwt';
import { createAccount } from '@nats-io/nkeys';
import { AnotherHand } from './lib/another-hand.mjs';
import { assertRefused } from './lib/client.mjs';
import { NetworkStage } from './lib/network.mjs';
import { withCache } from './lib/nats.mjs';
import { must } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { stampOf } from './lib/stamp.mjs';
import { onStage } from './lib/stage.mjs';

/** The configuration of a server that trusts the operator's identity key only. */
function withoutSigningKey(hand, configuration) {
  const operator = /^operator: "(.*)"$/m.exec(configuration)[1];
  const system = /^\tA[A-Z2-7]{55}: "(.*)"$/m.exec(configuration)[1];
  const identity = decode(operator).sub;
  const bare = hand.forge(operator, (claims) => { delete claims.nats.signing_keys; });
  return configuration.replace(operator, bare).replace(system, hand.forge(system, () => {}, identity));
}

/** That of a server whose own system account is not natsid's, which it knows as well. */
function withOtherSystemAccount(hand, configuration) {
  const operator = /^operator: "(.*)"$/m.exec(configuration)[1];
  const [line, key, jwt] = /^\t(A[A-Z2-7]{55}): "(.*)"$/m.exec(configuration);
  const other = createAccount().getPublicKey();
  const otherJwt = hand.forge(jwt, (claims) => { claims.sub = other; });
  return configuration
    .replace(operator, hand.forge(operator, (claims) => { delete claims.nats.system_account; }))
    .replace(`system_account: "${key}"`, `system_account: "${other}"`)
    .replace(line, `${line}\n\t${other}: "${otherJwt}"`);
}

const DEADLINE = 30_000;
const NOTICED = 5000; // what another hand did is noticed so soon, with room for slow machines

for (const which of ['newest', 'oldest']) {
  onStage(`traps of one server, ${which}`, { which }, (stage, test) => {
    let server, account, role, user, hand, creds;

    const isStored = (jwt) => until('the server holds it', async () => (await server.stored(account.public_key)) === jwt, { deadline: NOTICED });
    const holds = (jwt, deadline = DEADLINE) => until('the server holds the newest', async () => (await server.stored(account.public_key)) === jwt, { deadline });
    const newest = async () => (await stage.proven(account, { deadline: DEADLINE })).jwt;

    test('there is an account with a user', async () => {
      [server] = stage.servers;
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      user = await stage.createUser('sensor-1', account, role);
      creds = user.creds_file;
      hand = await AnotherHand.of(stage);
      await stage.converged();
    });

    test('an older JWT that another hand pushes is put right, and a revoked user stays out', async () => {
      const old = await newest();
      await stage.change(user, { active: false });
      const jwt = await newest();
      assert.notEqual(jwt, old);
      assert.match(await hand.push(server, old), /^jwt updated/); // the server takes it
      await holds(jwt, NOTICED);
      await newest();
      await assertRefused(server.url, creds);
      await stage.change(user, { active: true });
      await stage.converged();
    });

    test('the same, while natsid is down: put right when it is back', async () => {
      const old = await newest();
      await stage.change(user, { active: false });
      const jwt = await newest();
      await stage.stopDaemon();
      await hand.push(server, old);
      await isStored(old);
      await stage.startDaemon();
      await holds(jwt);
      await assertRefused(server.url, creds);
      await stage.change(user, { active: true });
      await stage.converged();
    });

    test('a JWT of ours that says to be of the future is not overwritten unseen, nor called proven', async () => {
      const jwt = await newest();
      const future = Math.floor(Date.now() / 1000) + 86_400;
      const forged = hand.forge(jwt, (claims) => { claims.iat = future; });
      await hand.push(server, forged);
      await isStored(forged);
      const held = await until('natsid says that it is held', async () => {
        const record = await stage.read(account);
        return record.publish_status === 'held' && record;
      }, { deadline: NOTICED });
      assert.match(held.publish_message, /s1/);
      assert.equal(await server.stored(account.public_key), forged);
      await stage.api('POST', `/api/v1/accounts/${account.id}/override`);
      const ours = await newest();
      assert.ok(stampOf(ours).iat >= future, 'what is pushed then wins every later sync');
      await holds(ours);
      await stage.change(account, { max_connections: 77 });
      await stage.converged();
    });

    test("another hand's JWT with no tag of ours stops the pushes, with the reason", async () => {
      const tenant = await stage.createAccount('foreign');
      const { jwt } = await stage.proven(tenant);
      const foreign = hand.forge(jwt, (claims) => { delete claims.nats.tags; });
      await hand.push(server, foreign);
      const held = await until('natsid says that it is held', async () => {
        const record = await stage.read(tenant);
        return record.publish_status === 'held' && record;
      }, { deadline: NOTICED });
      assert.match(held.publish_message, /s1/);
      await stage.change(tenant, { max_connections: 5 });
      await stage.change(account, { max_connections: 78 });
      await newest(); // what is not concerned goes on
      assert.equal(await server.stored(tenant.public_key), foreign);
      assert.equal((await stage.read(tenant)).publish_status, 'held');
      await stage.api('POST', `/api/v1/accounts/${tenant.id}/override`);
      await stage.converged();
    });

    test('resumed after another hand deleted it on the server, it works again: not with the same bytes', async () => {
      const jwt = await newest();
      const client = await stage.connect(creds, { ignoreAuthErrorAbort: true }); // the account is loaded
      assert.match(await hand.remove(server, account.public_key), /^deleted 1 accounts/);
      await until('natsid put it back', async () => {
        const found = await server.stored(account.public_key);
        return found && found !== jwt;
      }, { deadline: DEADLINE });
      await newest();
      await client.event('reconnect', { deadline: DEADLINE });
      await (await stage.connect(creds)).close();
    });

    test('two changes within one second, with the server away for the second one', async () => {
      await stage.change(account, { max_connections: 81 });
      const first = await newest();
      await server.stop('SIGKILL');
      await stage.change(account, { max_connections: 82 });
      await server.start();
      const second = await newest();
      assert.notEqual(second, first);
      assert.ok(stampOf(second).iat > stampOf(first).iat, 'the second one is newer to every server');
      await holds(second);
    });

    test('files that are damaged under the running server are whole again', async () => {
      await stage.converged();
      await truncate(join(server.store, `${account.public_key}.jwt`), 0);
      await stage.daemon.api('POST', '/api/v1/reconcile');
      await until('the server holds a whole JWT', async () => stampOf((await server.stored(account.public_key)) ?? ''), { deadline: DEADLINE });
      await stage.converged();
    });

    test('a server that starts again has a new id: all is looked at, and proven by it', async () => {
      const { jwt } = await stage.read(account);
      await server.stop('SIGKILL');
      await truncate(join(server.store, `${account.public_key}.jwt`), 100);
      await server.start();
      await until('the server holds a whole JWT', async () => (await server.stored(account.public_key)) === jwt, { deadline: DEADLINE });
      await stage.converged();
      await (await stage.connect(creds)).close();
    });

    test('the hand lets go', () => hand.close());
  });

  onStage(`traps of three servers, ${which}`, { which, servers: 3, type: NetworkStage }, (stage, test) => {
    let account, role, user, hand;

    const formed = (count = 3) => until(`natsid sees ${count} servers`, async () => (await stage.nats()).servers === count, { deadline: DEADLINE });
    const allHold = async () => {
      const { jwt } = await stage.proven(account, { deadline: DEADLINE });
      for (const server of stage.servers) assert.equal(await server.stored(account.public_key), jwt, server.name);
      return jwt;
    };

    test('there is an account on all of them', async () => {
      await formed();
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      user = await stage.createUser('sensor-1', account, role);
      hand = await AnotherHand.of(stage);
      await allHold();
    });

    test('two changes in one second, and a server that hears of the first one only', async (t) => {
      t.after(() => stage.links.forEach((link) => link.heal()));
      const connected = (await stage.nats()).server;
      const [missing, other] = stage.servers.filter(({ name }) => name !== connected);
      await stage.change(account, { max_connections: 10 });
      const first = await allHold();
      const [i, j, k] = [missing, other, stage.servers.find(({ name }) => name === connected)].map((each) => stage.servers.indexOf(each));
      for (const peer of [j, k]) stage.routeBetween(i, peer).cut();
      await stage.change(account, { max_connections: 11 });
      const second = await until('the others hold the second one', async () => {
        const { jwt } = await stage.read(account);
        return jwt !== first && (await stage.servers[k].stored(account.public_key)) === jwt && jwt;
      });
      assert.ok(stampOf(second).iat > stampOf(first).iat);
      assert.equal(await missing.stored(account.public_key), first);
      await until('it is not called proven while a known server is missing', async () => (await stage.read(account)).publish_status === 'partial', { deadline: DEADLINE });
      stage.links.forEach((link) => link.heal());
      assert.equal(await allHold(), second);
    });

    test('a server that missed a push has it when it is back, before it is called proven', async () => {
      const [, , third] = stage.servers;
      await third.stop('SIGKILL');
      await stage.change(user, { active: false });
      await until('the first one holds it', async () => stampOf((await stage.servers[0].stored(account.public_key)) ?? '')?.claims.nats.revocations);
      await third.start();
      await allHold();
      await assertRefused(third.url, user.creds_file);
      await stage.change(user, { active: true });
      await allHold();
    });

    test('a deleted account is not undone by a server that was down meanwhile', async () => {
      const doomed = await stage.createAccount('doomed');
      const tenant = await stage.createUser('of-doomed', doomed, role);
      await stage.proven(doomed, { deadline: DEADLINE });
      const [, , third] = stage.servers;
      await third.stop('SIGKILL');
      await stage.remove(tenant);
      await stage.remove(doomed);
      await stage.storedClaims(stage.servers[0], doomed, ({ nats }) => nats.revocations?.['*'] > 0);
      await third.start();
      await until('the server that was down holds the tombstone', async () => (
        stampOf((await third.stored(doomed.public_key)) ?? '')?.claims.nats.revocations?.['*'] > 0), { deadline: DEADLINE });
      for (const server of stage.servers) await assertRefused(server.url, tenant.creds_file);
    });

    test('an older JWT pushed to one server only is put right', async () => {
      const old = await allHold();
      await stage.change(account, { max_connections: 12 });
      const jwt = await allHold();
      const [, second] = stage.servers;
      await hand.push(second, old);
      await until('all hold the newest again', async () => {
        for (const server of stage.servers) if ((await server.stored(account.public_key)) !== jwt) return false;
        return true;
      }, { deadline: NOTICED });
      await allHold();
    });

    // Two of the three hold what somebody else made, as after a repair by hand on both. Servers take a JWT of another one
    // of the same id for the same, so that they leave each other's alone.
    test('two servers that hold different JWTs of other hands: one choice for each, and that is the end of it', async () => {
      const jwt = await allHold();
      const { iat } = stampOf(jwt);
      const [one, two] = [41, 42].map((connections) => hand.forge(jwt, (claims) => {
        delete claims.nats.tags;
        Object.assign(claims, { iat, jti: 'BYHAND' });
        claims.nats.limits.conn = connections;
      }));
      const plant = async (...jwts) => {
        await Promise.all(jwts.map((each, i) => writeFile(join(stage.servers[i].store, `${account.public_key}.jwt`), each)));
        await stage.daemon.api('POST', '/api/v1/reconcile');
      };
      const quarantined = async () => until('it is in quarantine', async () => (
        (await stage.api('GET', `/api/v1/accounts/${account.id}/state`)).quarantine), { deadline: DEADLINE });
      await plant(one, two);
      for (const which of ['one', 'the other']) {
        assert.equal((await quarantined()).cause, 'foreign', which);
        const { stdout } = await must(['account', 'quarantine', '--data', stage.data]);
        assert.match(stdout, /foreign: server \(one of several\) has a JWT that another hand made/);
        assert.match(stdout, /one is shown at a time: choose for each/);
        assert.deepEqual(await Promise.all(stage.servers.map((server) => server.stored(account.public_key))), [one, two, jwt]);
        const chosen = await must(['account', 'override', 'acme', '--data', stage.data]);
        assert.match(chosen.stdout, /^Overrode acme.*\.\nIf a server shows yet another JWT/);
      }
      assert.notEqual(await allHold(), jwt);
      // Once all hold ours, the same bytes are somebody's new deed.
      await plant(one);
      await quarantined();
      assert.equal(await stage.servers[0].stored(account.public_key), one);
      await must(['account', 'override', 'acme', '--data', stage.data]);
      await allHold();
    });

    test('the hand lets go', () => hand.close());
  });

  // Nothing is loaded on a server without clients: what is pushed to it then, a cache does not keep.
  onStage(`a cache beside a full resolver, ${which}`, { which, servers: 2, serversLater: true }, (stage, test) => {
    test('an acknowledgement that means "skipped" proves nothing of that server, and the words are shown', async () => {
      const [full, cache] = stage.servers;
      cache.configuration = withCache(cache.configuration);
      await full.start();
      await cache.start();
      const account = await stage.createAccount('acme');
      await until('natsid sees both', async () => (await stage.nats()).servers === 2, { deadline: DEADLINE });
      await stage.change(account, { max_connections: 5 });
      const { jwt } = await until('the full one holds it', async () => {
        const record = await stage.read(account);
        return record.jwt && (await full.stored(account.public_key)) === record.jwt && record;
      }, { deadline: DEADLINE });
      // It answers no lookup: that it is a cache natsid only learns from the push, which waits for that.
      const last = await until('natsid judged', async () => {
        const record = await stage.read(account);
        assert.notEqual(record.publish_status, 'proven');
        return /s2.*(skipped|cache)/.test(record.publish_message) && record;
      }, { deadline: DEADLINE });
      assert.notEqual(last.publish_status, 'proven');
      assert.notEqual(await cache.stored(account.public_key), jwt);
    });
  });

  onStage(`a server with another system account, ${which}`, { which, serversLater: true }, (stage, test) => {
    test('nobody answers natsid, and where people look they read why', async () => {
      const [server] = stage.servers;
      const { configuration } = server;
      server.configuration = withOtherSystemAccount(new AnotherHand(stage), configuration);
      await server.start();
      const why = /^no server answers in the system account: .*system_account/;
      const { connected, servers, blocked } = await until('natsid says why', async () => {
        const nats = await stage.nats();
        return nats.blocked !== '' && nats;
      }, { deadline: DEADLINE });
      assert.deepEqual([connected, servers], [true, 0]);
      assert.match(blocked, why);
      assert.match((await stage.api('GET', '/api/v1/servers')).blocked, why);
      assert.match(await (await fetch(`${stage.daemon.url}/metrics`)).text(), /^natsid_push_blocked 1$/m);
      assert.match(stage.daemon.log(), /nothing is pushed reason="no server answers /);
      const list = async () => (await must(['servers', 'list', '--data', stage.data])).stdout;
      await until('the list says why', async () => /^Since 2\S+ \S+: no server answers in the system account/m.test(await list()));
      assert.match(await list(), /^No server is known yet: natsid serve meets them\.$/m);
      const account = await stage.createAccount('acme');
      const { headers, body } = await stage.daemon.api('PATCH', `/api/collections/nats_accounts/records/${account.id}`, { description: 'told' }, { headers: { Prefer: 'wait=1' } });
      assert.equal(headers.get('natsid-unproven'), `natsid: ${blocked}`);
      assert.equal(body.publish_status, 'pending');
      assert.equal(body.publish_message, blocked);

      await server.stop();
      server.configuration = configuration;
      await server.wipe();
      await server.start();
      await stage.converged({ deadline: DEADLINE });
      assert.equal((await stage.nats()).blocked, '');
      await until('the list says so, too', async () => !/no server answers/.test(await list()));
    });
  });

  onStage(`a server that does not trust the signing key, ${which}`, { which }, (stage, test) => {
    test('nothing is pushed to it, and the reason is to be seen', async () => {
      const [server] = stage.servers;
      const account = await stage.createAccount('acme');
      const { jwt } = await stage.proven(account, { deadline: DEADLINE });
      const { configuration } = server;
      await server.stop();
      await until('natsid has no server', async () => (await stage.nats()).servers === 0);
      server.configuration = withoutSigningKey(new AnotherHand(stage), configuration);
      await server.wipe();
      await server.start();
      await stage.change(account, { max_connections: 5 });
      const why = await until('natsid says why', async () => {
        const { publish_status: status, publish_message: message } = await stage.read(account);
        assert.notEqual(status, 'proven');
        const { blocked } = await stage.api('GET', '/api/v1/servers');
        return [message, blocked].find((text) => /trust/.test(text));
      }, { deadline: DEADLINE });
      assert.match(why, /s1/);
      assert.equal(await server.stored(account.public_key), null, 'nothing was pushed');
      await server.stop();
      server.configuration = configuration;
      await server.wipe();
      await server.start();
      await stage.converged({ deadline: DEADLINE });
      assert.notEqual((await stage.read(account)).jwt, jwt);
    });
  });
}
