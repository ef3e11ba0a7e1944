// What node-pop3 does with a maildrop: node node_pop3.js '{"port": …, "letters": N}'.
'use strict';
const assert = require('node:assert');
const Pop3 = require('node-pop3');

const { port, tls, user, pass, letters } = JSON.parse(process.argv[2]);
const client = () => new Pop3({ host: '127.0.0.1', port, tls, user, password: pass, tlsOptions: { rejectUnauthorized: false } });

async function main() {
	let c = client();
	const uidl = await c.UIDL();
	assert.strictEqual(uidl.length, letters);
	assert.strictEqual(new Set(uidl.map(u => u[1])).size, letters);
	assert.match(await c.STAT(), new RegExp(`^${letters} [0-9]+`));
	for (let i = 1; i <= letters; i++) {
		const whole = await c.RETR(i);
		// it leaves the dot in front that RFC 1939 section 3 has put there
		assert.match(whole, new RegExp(`\r\n\r\n[.][.]?dot ${i}(\r\n)?$`));
		const top = await c.TOP(i, 0);
		assert(!top.includes('dot') && top.includes(`Subject: letter ${i}`), top);
	}
	await c.DELE(1);
	await c.RSET();
	await c.DELE(2);
	await c.QUIT();
	c = client();
	assert.deepStrictEqual((await c.UIDL()).map(u => u[1]), uidl.filter(u => u[0] !== '2').map(u => u[1]));
	await assert.rejects(c.RETR(9999));
	await c.QUIT();
	console.log('well');
}

main().catch((x) => {
	console.log(x.stack || x);
	process.exit(1);
});
