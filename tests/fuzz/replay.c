/* SPDX-License-Identifier: Apache-2.0
 * Feeds saved inputs to a fuzz target once, for machines and test runs without
 * libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed;

static void
die(const char *what, const char *path)
{
	perror(path);
	printf("not ok 1 - %s %s\n", what, path);
	exit(1);
}

static void
replay_file(const char *path, size_t size)
{
	/* As large as the input and no larger, so that the address sanitizer sees the
	 * first byte that is read beyond it. */
	uint8_t *data = malloc(size > 0 ? size : 1);
	FILE *in = fopen(path, "rb");

	if (data == NULL || in == NULL)
		die("cannot open", path);
	if (fread(data, 1, size, in) != size)
		die("cannot read", path);
	fclose(in);
	/* To standard error, which has no buffer: a crash then names its input. */
	fprintf(stderr, "# %s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	replayed++;
}

static void
replay(const char *path)
{
	struct stat st;
	struct dirent **entries;
	int count;

	if (stat(path, &st) != 0)
		die("cannot find", path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return;
	}
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0)
		die("cannot list", path);
	for (int i = 0; i < count; i++) {
		size_t room = strlen(path) + strlen(entries[i]->d_name) + 2;
		char *child = malloc(room);
		FILE *join;

		if (child == NULL)
			die("no memory for", path);
		join = fmemopen(child, room, "w");
		if (join == NULL)
			die("no memory for", path);
		fprintf(join, "%s/%s", path, entries[i]->d_name);
		fclose(join);
		if (entries[i]->d_name[0] != '.')
			replay(child);
		free(child);
		free(entries[i]);
	}
	free(entries);
}

int
main(int argc, char **argv)
{
	puts("1..1");
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (replayed == 0) {
		puts("not ok 1 - there were no inputs");
		return 1;
	}
	printf("ok 1 - %lu inputs\n", replayed);
	return 0;
}
