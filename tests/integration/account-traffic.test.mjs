// What servers make of an account's mappings, trace, default permissions and auth callout.
import assert from 'node:assert/strict';
import { decode } from '@nats-io/jwt';
import { createCurve } from '@nats-io/nkeys';
import { headers } from '@nats-io/transport-node';
import { changeUntil } from './lib/claims.mjs';
import { outsideUser } from './lib/outside.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`traffic of accounts on the ${which} server`, { which }, (stage, test) => {
    let role;

    /** An account with a user that may do everything, and a client of it. */
    async function makeAccount(name, fields) {
      role ??= await stage.createRole('everything', ['>'], ['>']);
      const account = await stage.createAccount(name, fields);
      const user = await stage.createUser(`${name}-user`, account, role);
      await stage.proven(account);
      return { account, user, client: await stage.connect(user.creds_file) };
    }

    const changed = async (account, fields) => {
      await stage.change(account, fields);
      await stage.proven(account);
    };

    /** How many of the messages to a subject arrived where. */
    async function arrivals(client, subject, count) {
      const heard = {};
      const subscription = client.nc.subscribe('>', {
        callback: (_, message) => { heard[message.subject] = (heard[message.subject] ?? 0) + 1; },
      });
      await client.nc.flush();
      for (let i = 0; i < count; i += 1) client.nc.publish(subject);
      await client.nc.flush();
      subscription.unsubscribe();
      return heard;
    }

    test('mappings: all to another subject, with what the stars matched', async (t) => {
      const { account, client } = await makeAccount('mapped', {
        mappings: { 'orders.*.*': [{ subject: 'by.$2.{{wildcard(1)}}' }], plain: [{ subject: 'other' }] },
      });
      assert.deepEqual(await arrivals(client, 'orders.eu.7', 20), { 'by.7.eu': 20 });
      assert.deepEqual(await arrivals(client, 'plain', 20), { other: 20 });
      const moved = () => until('it arrives elsewhere', async () => (await arrivals(client, 'plain', 1)).elsewhere === 1);
      const what = 'another mapping';
      await changeUntil(stage, t, account, { mappings: { plain: [{ subject: 'elsewhere' }] } }, what, moved);
      await stage.proven(account);
      assert.deepEqual(await arrivals(client, 'orders.eu.7', 20), { 'orders.eu.7': 20 });
      await changed(account, { mappings: {} });
      assert.deepEqual(await arrivals(client, 'plain', 20), { plain: 20 });
      assert.equal(client.count('disconnect'), 0);
    });

    test('mappings: by weights, what is left stays where it was', async (t) => {
      const { account, client } = await makeAccount('weighed', {
        mappings: { 'orders.*': [{ subject: 'v1.$1', weight: 20 }, { subject: 'v2.$1', weight: 80 }] },
      });
      const near = (count, percent) => assert.ok(Math.abs(count / 100 - percent) < 5, `${count} of 10000 is near ${percent} %`);
      const all = await arrivals(client, 'orders.x', 10_000);
      t.diagnostic(`20 to 80: ${JSON.stringify(all)}`);
      assert.deepEqual(Object.keys(all).sort(), ['v1.x', 'v2.x']);
      near(all['v1.x'], 20);
      near(all['v2.x'], 80);
      await changed(account, { mappings: { 'orders.*': [{ subject: 'v1.$1', weight: 30 }] } });
      const some = await arrivals(client, 'orders.x', 10_000);
      t.diagnostic(`30 of 100: ${JSON.stringify(some)}`);
      near(some['v1.x'], 30);
      near(some['orders.x'], 70);
    });

    if (which === 'newest') { // of servers from 2.11 on
      test('trace: messages that ask for it are reported', async () => {
        const { account, client } = await makeAccount('traced', { trace_destination: 'trace.here' });
        const reports = [];
        client.nc.subscribe('trace.here', { callback: (_, message) => reports.push(message.json()) });
        const traced = headers();
        traced.set('traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
        client.nc.publish('some.subject', 'x', { headers: traced });
        const report = await until('a report', () => reports[0]);
        assert.match(JSON.stringify(report.events), /some\.subject/);
        await changed(account, { trace_destination: 'trace.there' });
        const moved = client.nc.subscribe('trace.there', { max: 1 });
        client.nc.publish('some.subject', 'x', { headers: traced });
        await client.nc.flush();
        for await (const message of moved) assert.match(message.string(), /some\.subject/);
        assert.equal(reports.length, 1);
      });

      test('trace: of a sample of the messages that ask for it', async (t) => {
        const { account, client } = await makeAccount('sampled', { trace_destination: 'trace.here' });
        const traced = headers();
        traced.set('traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');

        const last = headers();
        last.set('Nats-Trace-Dest', 'trace.here'); // which is not sampled

        /** Of so many messages, all delivered, how many are reported. Reports come in the order of what they are about. */
        async function reportsOf(count) {
          let [reports, arrived, isOver] = [0, 0, false];
          const both = [
            client.nc.subscribe('trace.here', {
              callback: (_, message) => {
                isOver ||= /some\.end/.test(message.string());
                reports += isOver ? 0 : 1;
              },
            }),
            client.nc.subscribe('some.subject', { callback: () => { arrived += 1; } }),
          ];
          for (let i = 0; i < count; i += 1) client.nc.publish('some.subject', 'x', { headers: traced });
          client.nc.publish('some.end', 'x', { headers: last });
          await until('the last report', () => isOver);
          for (const subscription of both) subscription.unsubscribe();
          assert.equal(arrived, count);
          t.diagnostic(`${reports} of ${count}`);
          return reports;
        }

        assert.equal(await reportsOf(1000), 1000);
        await changed(account, { trace_sampling: 20 });
        const sampled = await reportsOf(4000);
        assert.ok(sampled > 600 && sampled < 1100, `${sampled} of 4000 is near 20 %`);
        await changed(account, { trace_sampling: 100 });
        assert.equal(await reportsOf(1000), 1000);
        assert.equal(client.count('disconnect'), 0);
      });
    }

    test('default permissions: of users whose JWT says nothing of its own', async () => {
      const { account, client } = await makeAccount('defaults', {
        default_publish_permissions: ['open.>'], default_publish_deny_permissions: ['open.secret'],
        default_subscribe_permissions: ['open.>', 'jobs workers', '_INBOX.>'],
      });
      const { creds } = await outsideUser(stage, account);
      const outside = await stage.connect(creds);
      await outside.reaches(outside, 'open.one');
      await outside.isRefusedToPublish('open.secret');
      await outside.isRefusedToPublish('closed');
      await outside.isRefusedToSubscribe('closed');
      await outside.isRefusedToSubscribe('jobs');
      outside.nc.subscribe('jobs', { queue: 'workers', callback: () => {} });
      await client.reaches(client, 'closed'); // a role always says what its users may do
      await changed(account, { default_publish_permissions: [], default_publish_deny_permissions: null });
      const anew = await stage.connect(creds);
      await anew.isRefusedToPublish('open.one');
      assert.equal(anew.count('error'), 1);
      await changed(account, { default_allow_response: true });
      const answering = await stage.connect(creds);
      answering.nc.subscribe('open.question', { callback: (_, message) => message.respond('yes') });
      await answering.nc.flush();
      assert.equal((await client.nc.request('open.question')).string(), 'yes');
      await answering.isRefusedToPublish('open.one');
      await changed(account, {
        default_publish_permissions: null, default_subscribe_permissions: null, default_allow_response: false,
      });
      const free = await stage.connect(creds);
      await free.reaches(free, 'closed');
    });

    test('auth callout: all but its own users are asked about, sealed if there is a key', async () => {
      const { account, user: service, client } = await makeAccount('callout');
      const guest = await stage.createUser('guest', account, role);
      const asked = [];
      client.nc.subscribe('$SYS.REQ.USER.AUTH', {
        queue: 'auth',
        callback: (_, message) => {
          asked.push(message);
          message.respond(''); // no, and without a reason
        },
      });
      await client.nc.flush();
      await (await stage.connect(guest.creds_file)).close();
      assert.equal(asked.length, 0);

      await changed(account, { callout_auth_users: [service.public_key] });
      await stage.assertRefused(guest.creds_file);
      const claims = decode(asked[0].string());
      assert.equal(claims.aud, 'nats-authorization-request');
      assert.equal(claims.nats.type, 'authorization_request');
      assert.equal(decode(claims.nats.connect_opts.jwt).sub, guest.public_key);
      const before = asked.length;
      await (await stage.connect(service.creds_file)).close();
      assert.equal(asked.length, before);

      const curve = createCurve();
      await changed(account, { callout_xkey: curve.getPublicKey(), callout_allowed_accounts: ['*'] });
      await stage.assertRefused(guest.creds_file);
      const sealed = asked.at(-1);
      assert.equal(new TextDecoder().decode(sealed.data.subarray(0, 4)), 'xkv1');
      const opened = curve.open(sealed.data, sealed.headers.get('Nats-Server-Xkey'));
      assert.equal(decode(decode(new TextDecoder().decode(opened)).nats.connect_opts.jwt).sub, guest.public_key);
    });
  });
}
