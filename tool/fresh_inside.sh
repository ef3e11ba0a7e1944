#!/bin/sh
# The part of ./dev test --fresh that runs inside the new Debian; see fresh.sh.
set -eu
cd /root/waxwing

echo "== ./dev demo" >&2
# the network is shared with the machine: its own demo may run
WAXWING_DEMO_PORTS=+10000 ./dev demo >/tmp/demo.log 2>&1 &
demo=$!
i=0
until grep -qx ready /tmp/demo.log; do
	i=$((i + 1))
	if [ $i -gt 900 ] || ! kill -0 $demo 2>/dev/null; then
		cat /tmp/demo.log
		echo "not ok - ./dev demo is not ready"
		exit 1
	fi
	sleep 1
done
python3 - <<'PY'
import smtplib
with smtplib.SMTP("127.0.0.1", 12525, timeout=30) as s:
    s.sendmail("me@example.org", ["alice@example.test"], b"Subject: fresh\r\n\r\nfirst letter\r\n")
PY
i=0
until grep -qs "first letter" build/demo/mail/example.test/alice/Maildir/new/*; do
	i=$((i + 1))
	[ $i -le 30 ] || {
		echo "not ok - the first letter has not arrived"
		exit 1
	}
	sleep 1
done
kill -TERM $demo
wait $demo || {
	cat /tmp/demo.log
	echo "not ok - ./dev demo did not stop cleanly"
	exit 1
}
echo "ok - ./dev demo took a letter and stopped" >&2

echo "== ./dev test" >&2
exec ./dev test
