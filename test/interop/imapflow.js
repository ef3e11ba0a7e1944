// What imapflow, the IMAP client of many Node programs, does with a mailbox: node imapflow.js '{"port": …}'.
// Ends with 0 and a line "N steps", or says which step failed.
'use strict';
const assert = require('node:assert');
const { ImapFlow } = require('imapflow');

const { port, secure, user, pass, compress, qresync } = JSON.parse(process.argv[2]);
const client = () => new ImapFlow({
	host: '127.0.0.1', port, secure, auth: { user, pass }, logger: false, tls: { rejectUnauthorized: false },
	disableCompression: !compress, qresync, doSTARTTLS: secure ? undefined : true,
});
const letter = (i, extra = '') => Buffer.from(`From: Sender <s@example.net>\r\nTo: alice@example.org\r\nSubject: letter ${i} ä\r\n` +
	`Message-ID: <node-${i}@example.net>\r\nDate: Thu, 05 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n` +
	`${extra}\r\nbody ${i} grüße\r\n`);
let steps = 0;
let step = 'begin';
const at = (what) => { step = what; steps++; };

async function main() {
	at('log in');
	const c = client();
	await c.connect();
	assert(c.authenticated && c.usable);
	assert(c.secureConnection, 'TLS');
	let gone = 0;
	c.on('expunge', () => gone++);

	at('folders');
	const name = `Node${port}${compress ? 'c' : ''}${qresync ? 'q' : ''}`;
	await c.mailboxCreate([name]);
	await c.mailboxCreate([name, 'Größe & 日本']);
	const paths = (await c.list({ statusQuery: { messages: true, unseen: true } })).map(x => x.path);
	assert(paths.includes('INBOX') && paths.includes(name), JSON.stringify(paths));
	assert(paths.some(p => p.endsWith('Größe & 日本')), JSON.stringify(paths));

	at('append 300');
	const uids = [];
	for (let i = 0; i < 300; i++) {
		const r = await c.append(name, letter(i), i % 3 ? ['\\Seen'] : [], new Date(1600000000000 + i * 1000));
		uids.push(r.uid);
	}
	assert.strictEqual(new Set(uids).size, 300);
	assert.strictEqual((await c.status(name, { messages: true, unseen: true })).unseen, 100);

	const lock = await c.getMailboxLock(name);
	try {
		at('fetch all');
		let n = 0;
		for await (const m of c.fetch('1:*', { uid: true, flags: true, envelope: true, bodyStructure: true, size: true, internalDate: true, source: true, threadId: true })) {
			assert.strictEqual(m.envelope.subject, `letter ${n} ä`);
			assert.strictEqual(m.envelope.from[0].address, 's@example.net');
			assert.strictEqual(m.bodyStructure.type, 'text/plain');
			assert.deepStrictEqual(m.source, letter(n));
			assert.strictEqual(m.size, letter(n).length);
			assert.strictEqual(m.internalDate.getTime(), 1600000000000 + n * 1000);
			assert.strictEqual(m.flags.has('\\Seen'), n % 3 !== 0);
			n++;
		}
		assert.strictEqual(n, 300);

		at('search');
		assert.deepStrictEqual(await c.search({ header: { 'message-id': '<node-7@example.net>' } }, { uid: true }), [uids[7]]);
		assert.deepStrictEqual(await c.search({ body: 'grüße', subject: 'letter 123' }, { uid: true }), [uids[123]]);
		assert.strictEqual((await c.search({ seen: false })).length, 100);
		assert.strictEqual((await c.search({ or: [{ seen: false }, { uid: String(uids[1]) }] })).length, 101);

		at('flags');
		await c.messageFlagsAdd({ uid: `${uids[0]}:${uids[9]}` }, ['\\Flagged', '$Work'], { uid: true });
		const flagged = await c.search({ keyword: '$Work' }, { uid: true });
		assert.deepStrictEqual(flagged, uids.slice(0, 10));
		await c.messageFlagsRemove({ uid: String(uids[0]) }, ['$Work'], { uid: true });
		await c.messageFlagsSet({ uid: String(uids[1]) }, ['\\Answered'], { uid: true });
		const one = await c.fetchOne(String(uids[1]), { flags: true }, { uid: true });
		assert.deepStrictEqual([...one.flags].filter(f => f !== '\\Recent'), ['\\Answered']);

		at('download');
		const { content } = await c.download(String(uids[5]), '1', { uid: true });
		const parts = [];
		for await (const p of content)
			parts.push(p);
		assert.strictEqual(Buffer.concat(parts).toString().trim(), 'body 5 grüße');

		at('copy and move');
		const sub = paths.find(p => p.endsWith('Größe & 日本'));
		const copied = await c.messageCopy({ uid: `${uids[0]}:${uids[4]}` }, sub, { uid: true });
		assert.strictEqual(copied.uidMap.size, 5);
		const moved = await c.messageMove({ uid: `${uids[290]}:${uids[299]}` }, sub, { uid: true });
		assert.strictEqual(moved.uidMap.size, 10);
		assert.strictEqual((await c.status(sub, { messages: true })).messages, 15);
		assert.strictEqual(gone, 10);

		at('delete');
		await c.messageDelete({ uid: `${uids[280]}:${uids[289]}` }, { uid: true });
		assert.strictEqual(gone, 20);        // EXPUNGE, or VANISHED with QRESYNC
	} finally {
		lock.release();
	}

	at('what another session does is told');
	const d = client();
	await d.connect();
	await c.mailboxOpen(name);
	const news = new Promise((yes) => c.once('exists', yes));
	const idle = c.idle();
	await d.append(name, letter('new'));
	assert.strictEqual((await news).count, 281);
	await c.noop();
	await idle;
	const flags = new Promise((yes) => c.once('flags', yes));
	const again = c.idle();
	await d.mailboxOpen(name);
	await d.messageFlagsAdd('33', ['\\Flagged']);
	assert.strictEqual((await flags).seq, 33);
	await c.noop();
	await again;

	at('leave');
	await d.logout();
	await c.mailboxClose();
	await c.mailboxDelete([name, 'Größe & 日本']);
	await c.mailboxDelete([name]);
	await c.logout();
	console.log(`${steps} steps`);
}

function end(x) {
	console.log(`${step}: ${x.stack || x} ${x.response ? JSON.stringify(x.response) : ''} ${x.responseText || ''}`);
	process.exit(1);
}

setTimeout(() => end('it waits for ever'), 90000).unref();
main().catch(end);
