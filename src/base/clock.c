/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts = { 0 };
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
system_wall(void *ctx)
{
	(void)ctx; /* the system has one wall clock */
	return read_clock(CLOCK_REALTIME);
}

static int64_t
system_mono(void *ctx)
{
	(void)ctx; /* the system has one monotonic clock */
	return read_clock(CLOCK_MONOTONIC);
}

const struct clock clock_system = { .wall = system_wall, .mono = system_mono };

int64_t
clock_wall_ms(const struct clock *clock)
{
	return clock->wall(clock->ctx);
}

int64_t
clock_wall_s(const struct clock *clock)
{
	return clock_wall_ms(clock) / 1000;
}

int64_t
clock_mono_ms(const struct clock *clock)
{
	return clock->mono(clock->ctx);
}

/* Days since 1970-01-01 of a proleptic Gregorian date; years count from March so that the
 * leap day is the last of the year. */
static int64_t
days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year =
		(153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

/* Writes n digits and what follows them. */
static char *
put_digits(char *out, int64_t value, int n, char next)
{
	for (int i = n; i-- > 0;) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
	out[n] = next;
	return out + n + 1;
}

void
clock_format(int64_t ms, char out[static CLOCK_TEXT_MAX])
{
	out[0] = '\0';
	if (ms < 0) {
		return;
	}
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year + 1900 > 9999) {
		return;
	}
	/* Each record has several of these, and printf would be dearer than the rest of
	 * its encoding. */
	_Static_assert(sizeof("2026-11-20 21:54:28.441Z") <= CLOCK_TEXT_MAX, "a date");
	char *at = put_digits(out, tm.tm_year + 1900, 4, '-');
	at = put_digits(at, tm.tm_mon + 1, 2, '-');
	at = put_digits(at, tm.tm_mday, 2, ' ');
	at = put_digits(at, tm.tm_hour, 2, ':');
	at = put_digits(at, tm.tm_min, 2, ':');
	at = put_digits(at, tm.tm_sec, 2, '.');
	at = put_digits(at, ms % 1000, 3, 'Z');
	*at = '\0';
}

/* Reads exactly n digits at *at. */
static int
read_digits(const char *text, size_t len, size_t *at, size_t n, int64_t *out)
{
	int64_t value = 0;
	if (len - *at < n) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		char c = text[*at + i];
		if (c < '0' || c > '9') {
			return -1;
		}
		value = value * 10 + (c - '0');
	}
	*at += n;
	*out = value;
	return 0;
}

static bool
take(const char *text, size_t len, size_t *at, const char *any_of)
{
	if (*at < len && strchr(any_of, text[*at]) != NULL && text[*at] != '\0') {
		(*at)++;
		return true;
	}
	return false;
}

static int
days_in_month(int64_t year, int64_t month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static int
parse_date(const char *text, size_t len, size_t *at, int64_t *out_days)
{
	int64_t year = 0;
	int64_t month = 0;
	int64_t day = 0;
	if (read_digits(text, len, at, 4, &year) != 0 || !take(text, len, at, "-") ||
		read_digits(text, len, at, 2, &month) != 0 || !take(text, len, at, "-") ||
		read_digits(text, len, at, 2, &day) != 0) {
		return -1;
	}
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
		day > days_in_month(year, month)) {
		return -1;
	}
	*out_days = days_from_date(year, month, day);
	return 0;
}

/* ".123456": milliseconds of any number of digits, 0 when there is no fraction. */
static int
parse_fraction(const char *text, size_t len, size_t *at, int64_t *out_ms)
{
	*out_ms = 0;
	if (!take(text, len, at, ".")) {
		return 0;
	}
	int64_t scale = 100;
	size_t start = *at;
	while (*at < len && text[*at] >= '0' && text[*at] <= '9') {
		*out_ms += (text[*at] - '0') * scale;
		scale /= 10;
		(*at)++;
	}
	return *at > start ? 0 : -1;
}

/* "Z", "+02:00" or nothing (UTC): minutes to subtract. */
static int
parse_zone(const char *text, size_t len, size_t *at, int64_t *out_minutes)
{
	*out_minutes = 0;
	if (*at == len || take(text, len, at, "Zz")) {
		return 0;
	}
	int64_t sign = text[*at] == '-' ? -1 : 1;
	int64_t hours = 0;
	int64_t minutes = 0;
	if (!take(text, len, at, "+-") || read_digits(text, len, at, 2, &hours) != 0 ||
		!take(text, len, at, ":") ||
		read_digits(text, len, at, 2, &minutes) != 0 || hours > 23 ||
		minutes > 59) {
		return -1;
	}
	*out_minutes = sign * (hours * 60 + minutes);
	return 0;
}

int
clock_parse(const char *text, size_t len, int64_t *out_ms)
{
	size_t at = 0;
	int64_t days = 0;
	int64_t h = 0;
	int64_t m = 0;
	int64_t s = 0;
	int64_t ms = 0;
	int64_t zone = 0;
	if (parse_date(text, len, &at, &days) != 0) {
		return -1;
	}
	if (at < len) {
		if (!take(text, len, &at, " Tt") ||
			read_digits(text, len, &at, 2, &h) != 0 ||
			!take(text, len, &at, ":") ||
			read_digits(text, len, &at, 2, &m) != 0 ||
			!take(text, len, &at, ":") ||
			read_digits(text, len, &at, 2, &s) != 0 || h > 23 || m > 59 ||
			s > 59 || parse_fraction(text, len, &at, &ms) != 0 ||
			parse_zone(text, len, &at, &zone) != 0 || at != len) {
			return -1;
		}
	}
	int64_t result = ((days * 24 + h) * 60 + m - zone) * 60000 + s * 1000 + ms;
	if (result < 0) {
		return -1;
	}
	*out_ms = result;
	return 0;
}
