# What the scripts that measure have in common; sourced by them. They set $work, a directory of their own, first.
# shellcheck shell=bash disable=SC2034,SC2154 # they set $nats_server, too, and use what is set here

pids=()
rows=()
last=0

bench_finish() {
	((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap bench_finish EXIT
trap 'exit 1' INT TERM HUP

# The release and the programs of bench/.
build_release() {
	local log=build/bench.log
	scripts/setup --run
	mkdir -p build
	if ! { cmake --preset release && cmake --build --preset release --target bench; } >"$log" 2>&1; then
		tail -n 60 "$log" >&2
		exit 1
	fi
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 10000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	printf %s "$port"
}

run() { # NAME COMMAND...: in the background; its output goes to NAME.log
	local name=$1
	shift
	"$@" >>"$work/$name.log" 2>&1 &
	pids+=($!)
	last=$!
}

stop() { # PID
	kill -TERM "$1"
	wait "$1" 2>/dev/null || true
	local kept=() pid
	for pid in "${pids[@]}"; do [[ $pid == "$1" ]] || kept+=("$pid"); done
	pids=("${kept[@]}")
}

until_true() { # WHAT COMMAND...
	local what=$1 end=$((SECONDS + 20))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > end)); then
			printf '%s: %s: not within 20 seconds\n' "${0##*/}" "$what" >&2
			tail -n 5 "$work"/*.log >&2
			exit 1
		fi
		sleep 0.05
	done
}

is_ready() { # PORT
	curl -sS --fail "http://127.0.0.1:$1/readyz" | grep -q '"connected":true'
}

log_in() { # PORT: prints a token of the superuser that the scripts make
	curl -sS --fail -H 'Content-Type: application/json' \
		--data '{"identity": "bench@example.org", "password": "bench bench bench"}' \
		"http://127.0.0.1:$1/api/collections/_superusers/auth-with-password" | value_of token
}

value_of() { # KEY, of JSON on standard input: the first one
	grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d'"' -f4
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

memory() { # PID: resident megabytes
	awk '/^VmRSS:/ { printf "%.1f", $2 / 1000 }' "/proc/$1/status"
}

row() { # WHAT MEASURED LIMIT UNIT GOAL; without a LIMIT: -
	rows+=("$(awk -v what="$1" -v a="$2" -v b="$3" -v unit="$4" -v goal="$5" 'BEGIN {
		ratio = b == "-" ? "" : sprintf("%.2f", a / b)
		printf "%-42s %9s %9s %-6s %6s   %s", what, a, b, unit, ratio, goal
	}')")
	printf '.' >&2
}

print_rows() {
	printf '\n\n%s cores, %s, %s\n\n' "$(nproc)" "$("$nats_server" --version)" "$(date -u +%Y-%m-%d)"
	printf '%-42s %9s %9s %-6s %6s   %s\n' what natsid "$1" '' ratio goal
	printf '%s\n' "${rows[@]}"
}
