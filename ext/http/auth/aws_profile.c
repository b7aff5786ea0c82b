/* ext/http/auth/aws_profile.c: AWS's shared files, ~/.aws/config and
 * ~/.aws/credentials, and the settings of their sections. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/auth/internal.h"

const char *cq_aws_env(const char *name) {
  const char *v = getenv(name);

  return v && *v ? v : NULL;
}

int cq_aws_truth(const char *text, int dflt) {
  if (!text) return dflt;
  return cq_str_ieq(text, "true") ? 1 : cq_str_ieq(text, "false") ? 0 : dflt;
}

/* A file that is not there is empty; one that cannot be read is an error. */
static int profile_read(cq_aws_files *f, const char *variable, const char *name,
                        cq_ini *out, cq_error *err) {
  const char *given = cq_aws_env(variable), *home = cq_aws_env("HOME");
  char *path, *text = NULL;
  size_t n = 0;
  int rc = CQ_OK;

  if (given && !(given[0] == '~' && given[1] == '/'))
    path = cq_strdup(given);
  else if (given && home)
    path = cq_mprintf("%s%s", home, given + 1);
  else
    path = home ? cq_mprintf("%s/.aws/%s", home, name) : cq_strdup("");
  if (!path) return cq_error_nomem(err);
  if (*path && access(path, F_OK) == 0) {
    rc = cq_file_read(path, CQ_MAX_CREDENTIALS, &text, &n, err);
    if (rc == CQ_OK && cq_ini_parse(&f->arena, text, n, out))
      rc = cq_error_nomem(err);
  }
  if (text) cq_wipe(text, n);
  cq_free(text);
  cq_free(path);
  return rc;
}

int cq_aws_files_read(cq_aws_files *f, cq_error *err) {
  int rc;

  memset(f, 0, sizeof *f);
  cq_arena_init(&f->arena);
  rc = profile_read(f, "AWS_CONFIG_FILE", "config", &f->config, err);
  if (rc == CQ_OK)
    rc = profile_read(f, "AWS_SHARED_CREDENTIALS_FILE", "credentials",
                      &f->credentials, err);
  return rc;
}

void cq_aws_files_clear(cq_aws_files *f) {
  cq_arena_wipe(&f->arena);
}

/* "default" needs no prefix in the config file, and may have it. */
static void profile_section(const cq_aws_files *f, const char *profile,
                            char *out, size_t max) {
  size_t n = strlen(profile);

  if (n > max - 10) n = max - 10; /* no section has so long a name */
  memcpy(out, "profile ", 8);
  memcpy(out + 8, profile, n);
  out[8 + n] = 0;
  if (strcmp(profile, "default") == 0 && !cq_ini_has(&f->config, out))
    memmove(out, out + 8, n + 1);
}

int cq_aws_files_has(cq_aws_files *f, const char *profile) {
  char section[1024];

  profile_section(f, profile, section, sizeof section);
  return cq_ini_has(&f->credentials, profile) ||
         cq_ini_has(&f->config, section);
}

const char *cq_aws_setting(cq_aws_files *f, const char *profile,
                           const char *key) {
  const char *v = cq_ini_get(&f->credentials, profile, key);
  char section[1024];

  if (v) return v;
  profile_section(f, profile, section, sizeof section);
  return cq_ini_get(&f->config, section, key);
}

const char *cq_aws_section(cq_aws_files *f, const char *kind, const char *name,
                           const char *key) {
  char section[1024];
  size_t k = strlen(kind), n = strlen(name);

  if (k + n + 2 > sizeof section) return NULL;
  memcpy(section, kind, k);
  section[k] = ' ';
  memcpy(section + k + 1, name, n + 1);
  return cq_ini_get(&f->config, section, key);
}
