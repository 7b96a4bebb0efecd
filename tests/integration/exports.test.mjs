// Exports and imports on real servers: what accounts take of each other, with activations that natsid mints and takes
// back, and bad ones that never get as far as a server.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';
import { until } from './lib/processes.mjs';

const everything = ['>'];

for (const which of ['newest', 'oldest']) {
  onStage(`exports and imports on the ${which} server`, { which }, (stage, test) => {
    let exporter, importer, provider, consumer, paidStream, paidService;

    const offer = (fields) => stage.create('nats_account_exports', { account_id: exporter.id, name: fields.subject, ...fields });
    const take = (fields, of = exporter) =>
      stage.create('nats_account_imports', { account_id: importer.id, account: of.public_key, name: fields.subject, ...fields });
    const verb = (name, record, account) => stage.api('POST', `/api/v1/exports/${record.id}/${name}`, { account });
    const both = () => Promise.all([stage.proven(exporter), stage.proven(importer)]);

    /** A message that the provider publishes on `from` arrives at the consumer's subscription, live. */
    async function flows(subscription, from) {
      const before = subscription.heard;
      await until(`${from} arrives`, async () => {
        provider.nc.publish(from, 'news');
        await provider.nc.flush();
        await consumer.nc.flush();
        return subscription.heard > before;
      }, { every: 50 });
    }

    /** Nothing of it arrives any more; what could still be under way comes before the answer to the marker. */
    async function isDry(subscription, from) {
      await until(`${from} does not arrive any more`, async () => {
        const before = subscription.heard;
        const marker = consumer.nc.subscribe('local.marker', { max: 1 });
        await consumer.nc.flush();
        for (let i = 0; i < 20; i += 1) provider.nc.publish(from, 'news');
        await provider.nc.flush();
        consumer.nc.publish('local.marker');
        for await (const _ of marker); // eslint-disable-line no-unused-vars
        await consumer.nc.flush();
        return subscription.heard === before;
      }, { every: 50 });
    }

    function listen(subject) {
      const subscription = { heard: 0 };
      consumer.nc.subscribe(subject, { callback: (error) => { subscription.heard += error ? 0 : 1; } });
      return subscription;
    }

    const serve = (subject) =>
      provider.nc.subscribe(subject, { callback: (_, message) => message.respond(`${message.subject} ${message.string()}`) });

    const ask = async (subject) => (await consumer.nc.request(subject, 'question', { timeout: 1000 })).string();
    const answers = (subject) => until(`${subject} is answered`, () => ask(subject).catch(() => false), { every: 50 });
    const isSilent = (subject) => until(`${subject} is not answered`, () => ask(subject).then(() => false, () => true), { every: 50 });

    test('two accounts with a client each', async () => {
      exporter = await stage.createAccount('exporter');
      importer = await stage.createAccount('importer');
      const role = await stage.createRole('all', everything, everything);
      const one = await stage.createUser('provider', exporter, role);
      const two = await stage.createUser('consumer', importer, role);
      await both();
      // It is suspended for a while, and comes back by itself.
      provider = await stage.connect(await stage.creds(one), { ignoreAuthErrorAbort: true });
      consumer = await stage.connect(await stage.creds(two));
    });

    test('a stream is taken under its name and under another', async () => {
      await offer({ subject: 'news.>', type: 'stream' });
      await offer({ subject: 'rates.*.*', type: 'stream' });
      await take({ subject: 'news.>', type: 'stream' });
      await take({ subject: 'rates.*.*', type: 'stream', local_subject: 'from.$2.$1' });
      await both();
      await flows(listen('news.sports'), 'news.sports');
      await flows(listen('from.eur.usd'), 'rates.usd.eur');
    });

    test('a service is asked under its name and under another', async () => {
      await offer({ subject: 'help', type: 'service' });
      await offer({ subject: 'sum.*', type: 'service', response_type: 'Stream' });
      await take({ subject: 'help', type: 'service' });
      await take({ subject: 'sum.*', type: 'service', local_subject: 'their.*.sum', share: true });
      await both();
      serve('help');
      serve('sum.*');
      assert.equal(await answers('help'), 'help question');
      assert.equal(await answers('their.all.sum'), 'sum.all question');
    });

    test('a subject with the key of the importer is for that account alone', async () => {
      await offer({ subject: 'own.*.box', type: 'service', account_token_position: 2 });
      await take({ subject: `own.${importer.public_key}.box`, type: 'service', local_subject: 'box' });
      await both();
      serve('own.*.box');
      assert.equal(await answers('box'), `own.${importer.public_key}.box question`);
    });

    let paid;
    test('what needs an activation works with the one that natsid mints', async () => {
      paidStream = await offer({ subject: 'paid.news.>', type: 'stream', token_req: true });
      paidService = await offer({ subject: 'paid.help', type: 'service', token_req: true });
      await take({ subject: 'paid.news.*', type: 'stream' });
      await take({ subject: 'paid.help', type: 'service' });
      await both();
      serve('paid.help');
      paid = listen('paid.news.today');
      await flows(paid, 'paid.news.today');
      assert.equal(await answers('paid.help'), 'paid.help question');
    });

    test('revoking an activation cuts a live client off, and nobody is disconnected', async (t) => {
      const since = performance.now();
      await verb('revoke', paidStream, importer.public_key);
      await isDry(paid, 'paid.news.today');
      t.diagnostic(`the stream was dry after ${Math.round(performance.now() - since)} ms`);
      await verb('revoke', paidService, '*');
      await isSilent('paid.help');
      await flows(listen('news.other'), 'news.other');
      assert.equal(consumer.count('disconnect') + provider.count('disconnect'), 0);
    });

    test('allowing it brings it back to the same client', async () => {
      await verb('allow', paidStream, importer.public_key);
      await verb('allow', paidService, '*');
      await flows(paid, 'paid.news.today');
      assert.equal(await answers('paid.help'), 'paid.help question');
      assert.equal(consumer.count('disconnect'), 0);
    });

    test('an account let in again while all are revoked', async () => {
      await verb('revoke', paidService, '*');
      await isSilent('paid.help');
      await verb('allow', paidService, importer.public_key);
      assert.equal(await answers('paid.help'), 'paid.help question');
    });

    test('a suspended exporter is silent, and back with what it offered', async () => {
      await stage.change(exporter, { active: false });
      await isSilent('help');
      await stage.change(exporter, { active: true });
      await provider.event('reconnect');
      assert.equal(await answers('help'), 'help question');
      assert.equal(await answers('paid.help'), 'paid.help question');
      await flows(paid, 'paid.news.today');
    });

    test('bad imports are refused, and what comes after is pushed as ever', async () => {
      const other = await stage.createAccount('other');
      const before = await both();
      const bad = [
        [{ subject: 'nowhere', type: 'service' }, 'subject'],
        [{ subject: 'help', type: 'stream' }, 'subject'],
        [{ subject: `own.${other.public_key}.box`, type: 'service', local_subject: 'b' }, 'subject'],
        [{ subject: 'sum.*', type: 'service', local_subject: 'x.$2' }, 'local_subject'],
        [{ subject: 'sum.*', type: 'service', local_subject: '*' }, 'local_subject'],
        [{ subject: 'paid.help', type: 'service', local_subject: 'p', token: 'e30.e30.e30' }, 'token'],
        [{ subject: 'paid.help', type: 'service', local_subject: 'p' }, 'account'],
        [{ subject: 'help', type: 'service', account: importer.public_key }, 'account'],
        [{ subject: 'help', type: 'service', account: 'A' }, 'account'],
        [{ subject: 'help', type: 'service', account: '' }, 'account'],
      ];
      for (const [fields, field] of bad) {
        const body = { account_id: importer.id, account: exporter.public_key, name: 'bad', ...fields };
        const answer = await stage.daemon.api('POST', '/api/collections/nats_account_imports/records', body);
        assert.equal(answer.status, 400, answer.text);
        assert.ok(answer.body.data[field], `${JSON.stringify(fields)}: ${answer.text}`);
      }
      const now = await both();
      assert.deepEqual(now.map(({ generation }) => generation), before.map(({ generation }) => generation));
      await take({ subject: 'news.last', type: 'stream', local_subject: 'last' });
      await both();
      await flows(listen('last'), 'news.last');
    });

    test('what is imported cannot be taken away unseen', async () => {
      const [help] = (await stage.api('GET', '/api/collections/nats_account_exports/records?perPage=100')).items
        .filter(({ subject }) => subject === 'help');
      const refused = await stage.daemon.api('DELETE', `/api/collections/nats_account_exports/records/${help.id}`);
      assert.equal(refused.status, 400, refused.text); // as this dialect tells a conflict
      assert.match(refused.text, /importer/);
      const [mine] = (await stage.api('GET', '/api/collections/nats_account_imports/records?perPage=100')).items
        .filter(({ subject }) => subject === 'help');
      await stage.remove(mine);
      await isSilent('help');
      await stage.remove(help);
      await both();
    });

    test('the revoke verb names what is wrong with its body', async () => {
      for (const body of [{}, { account: 'x' }, { account: exporter.public_key, more: 1 }]) {
        const answer = await stage.daemon.api('POST', `/api/v1/exports/${paidStream.id}/revoke`, body);
        assert.equal(answer.status, 400, answer.text);
      }
      const guest = await stage.daemon.api('POST', `/api/v1/exports/${paidStream.id}/revoke`, { account: '*' }, { token: null });
      assert.equal(guest.status, 401, guest.text);
      const missing = await stage.daemon.api('POST', '/api/v1/exports/000000000000000/revoke', { account: '*' });
      assert.equal(missing.status, 404, missing.text);
    });
  });
}
