/* ext/http/auth/aws_credentials.c: where AWS credentials come from: the
 * parameters, the environment, the shared files and the roles they name.
 *
 * The order: keys given; a profile given; keys in the environment; the
 * profile AWS_PROFILE or "default".  A role_arn among the parameters is
 * assumed on top of whatever that found. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/auth/internal.h"

int cq_aws_keys_set(cq_aws_keys *k, const char *access, const char *secret,
                    const char *session, int64_t expires_us) {
  cq_aws_keys fresh = {NULL, NULL, NULL, expires_us};

  fresh.access = cq_strdup(access);
  fresh.secret = cq_strdup(secret);
  if (session && *session) fresh.session = cq_strdup(session);
  if (!fresh.access || !fresh.secret ||
      (session && *session && !fresh.session)) {
    cq_aws_keys_clear(&fresh);
    return CQ_NOMEM;
  }
  cq_aws_keys_clear(k);
  *k = fresh;
  return CQ_OK;
}

void cq_aws_keys_clear(cq_aws_keys *k) {
  cq_free_secret(k->access);
  cq_free_secret(k->secret);
  cq_free_secret(k->session);
  memset(k, 0, sizeof *k);
}

void cq_aws_plan_clear(cq_aws_plan *p) {
  cq_aws_keys_clear(&p->base);
  cq_arena_wipe(&p->arena);
  memset(p, 0, sizeof *p);
}

/* A credential travels in headers: a line end in it would begin a new one. */
static int aws_take(cq_aws_plan *p, const char *access, const char *secret,
                    const char *session, const char *from, cq_error *err) {
  const char *const all[] = {access, secret, session};

  for (int i = 0; i < 3; i++)
    for (const char *s = all[i]; s && *s; s++)
      if ((unsigned char)*s <= ' ' || *s == 0x7f)
        return cq_error_set(err, CQ_AUTH,
                            "aws: credentials hold a blank or control "
                            "character: %s",
                            from);
  return cq_aws_keys_set(&p->base, access, secret, session, 0)
             ? cq_error_nomem(err)
             : CQ_OK;
}

static const char *aws_env(const char *name) {
  const char *v = getenv(name);

  return v && *v ? v : NULL;
}

/* CQ_OK with keys, CQ_NOTFOUND without, or an error. */
static int aws_environment(cq_aws_plan *p, cq_error *err) {
  const char *access = aws_env("AWS_ACCESS_KEY_ID");
  const char *secret = aws_env("AWS_SECRET_ACCESS_KEY");

  if (!access && !secret) return CQ_NOTFOUND;
  if (!access || !secret)
    return cq_error_set(err, CQ_AUTH, "aws: environment lacks %s",
                        access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
  return aws_take(p, access, secret, aws_env("AWS_SESSION_TOKEN"),
                  "environment", err);
}

/* ---- the shared files -------------------------------------------------- */

typedef struct aws_files {
  cq_ini config, credentials;
  cq_arena arena;
} aws_files;

/* A file that is not there is empty; one that cannot be read is an error. */
static int aws_read(aws_files *f, const char *variable, const char *name,
                    cq_ini *out, cq_error *err) {
  const char *given = aws_env(variable), *home = aws_env("HOME");
  char *path, *text = NULL;
  size_t n = 0;
  int rc = CQ_OK;

  memset(out, 0, sizeof *out);
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

static void aws_files_clear(aws_files *f) {
  for (int k = 0; k < 2; k++) {
    cq_ini *ini = k ? &f->config : &f->credentials;

    for (size_t i = 0; i < ini->n; i++)
      if (ini->entries[i].value)
        cq_wipe((char *)ini->entries[i].value, strlen(ini->entries[i].value));
  }
  cq_arena_clear(&f->arena);
}

static int aws_section(aws_files *f, const char *profile, char **out) {
  *out = cq_arena_printf(&f->arena, "profile %s", profile);
  if (!*out) return CQ_NOMEM;
  /* "default" needs no prefix, and may have it */
  if (strcmp(profile, "default") == 0 && !cq_ini_has(&f->config, *out))
    *out += 8;
  return CQ_OK;
}

static const char *aws_setting(aws_files *f, const char *profile,
                               const char *section, const char *key) {
  const char *v = cq_ini_get(&f->credentials, profile, key);

  return v ? v : cq_ini_get(&f->config, section, key);
}

static int aws_step(cq_aws_plan *p, const char *role, const char *external,
                    const char *session, const char *duration, cq_error *err) {
  const char *in[4] = {role, external, session, duration};
  char *copy[4] = {NULL, NULL, NULL, NULL};

  if (p->nstep == CQ_AWS_STEPS)
    return cq_error_set(err, CQ_AUTH, "aws: too many roles in a row: %d",
                        CQ_AWS_STEPS + 1);
  for (int i = 0; i < 4; i++)
    if (in[i] && !(copy[i] = cq_arena_strndup(&p->arena, in[i], strlen(in[i]))))
      return cq_error_nomem(err);
  p->steps[p->nstep].role_arn = copy[0];
  p->steps[p->nstep].external_id = copy[1];
  p->steps[p->nstep].session_name = copy[2];
  p->steps[p->nstep].duration = copy[3];
  p->nstep++;
  return CQ_OK;
}

/* Ways to log in that cq does not know, so that it says so instead of "no
 * credentials". */
static int aws_unsupported(aws_files *f, const char *profile,
                           const char *section, cq_error *err) {
  static const char *const words[] = {"sso_session", "sso_start_url",
                                      "credential_process",
                                      "web_identity_token_file"};

  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!aws_setting(f, profile, section, words[i])) continue;
    cq_error_set(err, CQ_AUTH, "aws: profile %s: is not supported: %s", profile,
                 words[i]);
    cq_error_hint(err,
                  "run: eval \"$(aws configure export-credentials "
                  "--profile %s --format env)\"",
                  profile);
    return CQ_AUTH;
  }
  return CQ_OK;
}

typedef struct aws_walk { /* the profiles on the way, against circles */
  const char *name;
  const struct aws_walk *before;
} aws_walk;

static int aws_profile(cq_aws_plan *p, aws_files *f, const char *profile,
                       const aws_walk *before, int keys_only, cq_error *err);

static int aws_role(cq_aws_plan *p, aws_files *f, const char *profile,
                    const char *section, const aws_walk *here, cq_error *err) {
  const char *role = aws_setting(f, profile, section, "role_arn");
  const char *source = aws_setting(f, profile, section, "source_profile");
  const char *from = aws_setting(f, profile, section, "credential_source");
  int rc;

  if (aws_setting(f, profile, section, "mfa_serial")) {
    cq_error_set(err, CQ_AUTH,
                 "aws: profile %s: asks for an MFA code, which "
                 "cq cannot give",
                 profile);
    cq_error_hint(err, "log in with the aws command first, and use the "
                       "session's keys");
    return CQ_AUTH;
  }
  if (source) {
    rc = aws_profile(p, f, source, here, strcmp(source, profile) == 0, err);
  } else if (from && strcmp(from, "Environment") == 0) {
    rc = aws_environment(p, err);
    if (rc == CQ_NOTFOUND)
      rc = cq_error_set(err, CQ_AUTH,
                        "aws: profile %s: credential_source is "
                        "Environment, which has no keys",
                        profile);
  } else if (from) {
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: profile %s: credential_source is "
                      "not supported: %s",
                      profile, from);
  } else {
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: profile %s: role_arn without "
                      "source_profile or credential_source",
                      profile);
  }
  if (rc) return rc;
  return aws_step(p, role, aws_setting(f, profile, section, "external_id"),
                  aws_setting(f, profile, section, "role_session_name"),
                  aws_setting(f, profile, section, "duration_seconds"), err);
}

static int aws_profile(cq_aws_plan *p, aws_files *f, const char *profile,
                       const aws_walk *before, int keys_only, cq_error *err) {
  aws_walk here = {profile, before};
  const char *access, *secret, *region;
  char *section;
  int rc, depth = 0;

  for (const aws_walk *w = before; w && !keys_only; w = w->before, depth++)
    if (strcmp(w->name, profile) == 0)
      return cq_error_set(err, CQ_AUTH,
                          "aws: profile %s: source_profile "
                          "leads back to itself",
                          profile);
  if (depth > CQ_AWS_STEPS)
    return cq_error_set(err, CQ_AUTH, "aws: too many roles in a row: %d",
                        depth);
  if (aws_section(f, profile, &section)) return cq_error_nomem(err);
  if (!cq_ini_has(&f->credentials, profile) && !cq_ini_has(&f->config, section))
    return cq_error_set(err, CQ_NOTFOUND, "aws: no such profile: %s", profile);
  region = aws_setting(f, profile, section, "region");
  if (region && !p->region) {
    p->region = cq_arena_strndup(&p->arena, region, strlen(region));
    if (!p->region) return cq_error_nomem(err);
  }
  if (!keys_only && aws_setting(f, profile, section, "role_arn") &&
      !aws_setting(f, profile, section, "web_identity_token_file"))
    return aws_role(p, f, profile, section, &here, err);
  access = aws_setting(f, profile, section, "aws_access_key_id");
  secret = aws_setting(f, profile, section, "aws_secret_access_key");
  if (access && secret)
    return aws_take(p, access, secret,
                    aws_setting(f, profile, section, "aws_session_token"),
                    profile, err);
  rc = aws_unsupported(f, profile, section, err);
  if (rc) return rc;
  return cq_error_set(err, CQ_NOTFOUND, "aws: profile %s: has no keys",
                      profile);
}

static int aws_none(cq_error *err) {
  cq_error_set(err, CQ_AUTH, "aws: no credentials found");
  cq_error_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                     "name a profile of ~/.aws");
  return CQ_AUTH;
}

static int aws_from_files(cq_aws_plan *p, const char *profile, cq_error *err) {
  const char *name = profile ? profile : aws_env("AWS_PROFILE");
  aws_files f;
  int rc;

  memset(&f, 0, sizeof f);
  cq_arena_init(&f.arena);
  rc = aws_read(&f, "AWS_CONFIG_FILE", "config", &f.config, err);
  if (rc == CQ_OK)
    rc = aws_read(&f, "AWS_SHARED_CREDENTIALS_FILE", "credentials",
                  &f.credentials, err);
  if (rc == CQ_OK) {
    rc = aws_profile(p, &f, name ? name : "default", NULL, 0, err);
    /* nobody asked for "default": that it is not there says little */
    if (rc == CQ_NOTFOUND && !name)
      rc = aws_none(err);
    else if (rc == CQ_NOTFOUND)
      rc = CQ_AUTH;
    if (rc && err) err->code = rc;
  }
  aws_files_clear(&f);
  return rc;
}

int cq_aws_plan_make(const cq_auth_params *p, cq_aws_plan *out, cq_error *err) {
  static const char *const names[] = {"access_key_id",     "secret_access_key",
                                      "session_token",     "profile",
                                      "role_arn",          "external_id",
                                      "role_session_name", "duration_seconds"};
  enum { ACCESS, SECRET, SESSION, PROFILE, ROLE, EXTERNAL, NAME, DURATION };
  const char *v[DURATION + 1];
  int rc = CQ_OK;

  memset(out, 0, sizeof *out);
  cq_arena_init(&out->arena);
  for (int i = 0; i <= DURATION && rc == CQ_OK; i++)
    rc = cq_auth_param(p, names[i], &out->arena, &v[i], err);
  if (rc) goto done;
  if ((v[ACCESS] != NULL) != (v[SECRET] != NULL)) {
    rc = cq_error_set(err, CQ_AUTH, "auth aws_sigv4: parameter is missing: %s",
                      v[ACCESS] ? names[SECRET] : names[ACCESS]);
    goto done;
  }
  if (v[ACCESS]) {
    rc = aws_take(out, v[ACCESS], v[SECRET], v[SESSION], "parameters", err);
  } else {
    rc = v[PROFILE] ? CQ_NOTFOUND : aws_environment(out, err);
    if (rc == CQ_NOTFOUND) rc = aws_from_files(out, v[PROFILE], err);
  }
  for (int i = ACCESS; i <= SESSION; i++)
    if (v[i]) cq_wipe((char *)v[i], strlen(v[i]));
  if (rc == CQ_OK && v[ROLE])
    rc = aws_step(out, v[ROLE], v[EXTERNAL], v[NAME], v[DURATION], err);
done:
  if (rc) cq_aws_plan_clear(out);
  return rc;
}
