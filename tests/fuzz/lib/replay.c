/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files instead of a fuzzer's inputs, so that every input that once was a
 * finding is a test. Arguments are files or directories of files. Linked with the target when
 * libFuzzer is not.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define REPLAY_MAX_BYTES (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *data;
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	data = malloc(REPLAY_MAX_BYTES);
	if (!data)
		abort();
	n = fread(data, 1, REPLAY_MAX_BYTES, f);
	(void)fclose(f);
	/* An exact allocation, so that AddressSanitizer sees a read past the end. */
	data = realloc(data, n ? n : 1);
	if (!data)
		abort();
	(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

static int replay_dir(const char *path, unsigned int *n_files)
{
	struct dirent **names;
	int n, failed = 0;

	n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		perror(path);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char *file;

		if (names[i]->d_name[0] != '.') {
			if (asprintf(&file, "%s/%s", path, names[i]->d_name) < 0)
				abort();
			failed |= replay_file(file);
			free(file);
			(*n_files)++;
		}
		free(names[i]);
	}
	free(names);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned int n_files = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			failed |= replay_dir(argv[i], &n_files);
		} else {
			failed |= replay_file(argv[i]);
			n_files++;
		}
	}
	printf("%u inputs\n", n_files);
	return failed || !n_files;
}
