// The token is in the fragment, which no browser sends and no proxy logs; it leaves only in the body of a POST that a
// person asked for, so that a scanner that follows the link cannot use it up.
'use strict';

const button = document.getElementById('open');
const outcome = document.getElementById('outcome');
const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

function fail(text) {
	outcome.textContent = text;
	button.disabled = true;
}

function save(text, name) {
	const link = document.createElement('a');
	link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
	link.download = name;
	link.click();
	URL.revokeObjectURL(link.href);
}

async function open() {
	button.disabled = true;
	const answer = await fetch('/api/v1/creds-links/open', {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ token }),
	});
	if (!answer.ok) {
		const problem = await answer.json();
		fail(problem.detail ?? problem.title);
		return;
	}
	const name = /filename="([^"]+)"/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1];
	save(await answer.text(), name ?? 'nats.creds');
	outcome.textContent = 'Done. This link is used up now.';
}

if (token === '') {
	fail('The link is not complete: the part behind # is missing.');
}
button.addEventListener('click', () => {
	open().catch(() => {
		button.disabled = false;
		outcome.textContent = 'The server did not answer. Try again.';
	});
});
