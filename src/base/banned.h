/* SPDX-License-Identifier: Apache-2.0
 * Functions that no file of the project may call; the build puts this in front of
 * each. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/*
 * A poisoned name may not even be declared, so the headers that declare them come
 * first. What takes their place: str_fmt and struct buf for text, the checked number
 * parser of base/ for digits, gmtime_r for dates, base/clock and base/rand for time and
 * chance. Some names cannot be poisoned: vsnprintf and clock_gettime, which base/ needs,
 * and random and system, which are also good names for members. scripts/check looks
 * for calls of those.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef NATSID_BANNED_EXEMPT
/* Unbounded, or truncating without a word. */
#pragma GCC poison strcpy strcat strncpy strncat stpcpy stpncpy
#pragma GCC poison sprintf vsprintf snprintf gets strtok
/* No way to tell an error from a value. */
#pragma GCC poison atoi atol atoll atof
/* Shared static state. */
#pragma GCC poison gmtime localtime asctime ctime
/* Not random enough for anything here. */
#pragma GCC poison rand srand rand_r srandom drand48 srand48
/* A shell, or a name that another process can take first. */
#pragma GCC poison popen tmpnam tempnam mktemp
#endif

#endif
