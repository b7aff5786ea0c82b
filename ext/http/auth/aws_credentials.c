/* ext/http/auth/aws_credentials.c: where AWS credentials come from: a plan of
 * steps, which says who gives keys and which roles are assumed with them.
 * Nothing is fetched here.
 *
 * The order is that of AWS's SDKs: keys given; a profile given; keys in the
 * environment; a web identity in the environment; the profile AWS_PROFILE or
 * "default"; the container's endpoint; the instance's.  A role_arn among the
 * parameters is assumed on top of whatever that found. */
#include <stdlib.h>
#include <string.h>

#include "http/auth/internal.h"
#include "http/internal.h"

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
  cq_arena_wipe(&p->arena);
  memset(p, 0, sizeof *p);
}

int cq_aws_clean(const char *text) {
  for (const char *s = text; s && *s; s++)
    if ((unsigned char)*s <= ' ' || *s == 0x7f) return 0;
  return 1;
}

/* ---- the plan, as it grows ---------------------------------------------- */

static int plan_keep(cq_aws_plan *p, const char **to, const char *text) {
  *to = NULL;
  if (!text || !*text) return CQ_OK;
  *to = cq_arena_strndup(&p->arena, text, strlen(text));
  return *to ? CQ_OK : CQ_NOMEM;
}

/* Adds a step; `args` are as many as its kind has, copied. */
static int plan_step(cq_aws_plan *p, cq_aws_kind kind, const char *from,
                     const char *const *args, int n, cq_error *err) {
  cq_aws_step *s = &p->steps[p->nstep];

  if (p->nstep > CQ_AWS_ROLES)
    return cq_error_set(err, CQ_AUTH, "aws: too many roles in a row: %d",
                        CQ_AWS_ROLES + 1);
  memset(s, 0, sizeof *s);
  s->kind = kind;
  if (plan_keep(p, &s->from, from)) return cq_error_nomem(err);
  for (int i = 0; i < n; i++)
    if (plan_keep(p, &s->arg[i], args[i])) return cq_error_nomem(err);
  p->nstep++;
  return CQ_OK;
}

static int plan_keys(cq_aws_plan *p, const char *access, const char *secret,
                     const char *session, const char *from, cq_error *err) {
  const char *const args[] = {access, secret, session};

  for (int i = 0; i < 3; i++)
    if (!cq_aws_clean(args[i]))
      return cq_error_set(err, CQ_AUTH,
                          "aws: credentials hold a blank or control "
                          "character: %s",
                          from);
  return plan_step(p, CQ_AWS_KEYS, from, args, 3, err);
}

/* ---- what needs no file: CQ_OK, CQ_NOTFOUND, or an error ------------------ */

static int plan_environment(cq_aws_plan *p, cq_error *err) {
  const char *access = cq_aws_env("AWS_ACCESS_KEY_ID");
  const char *secret = cq_aws_env("AWS_SECRET_ACCESS_KEY");

  if (!access && !secret) return CQ_NOTFOUND;
  if (!access || !secret)
    return cq_error_set(err, CQ_AUTH, "aws: environment lacks %s",
                        access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
  return plan_keys(p, access, secret, cq_aws_env("AWS_SESSION_TOKEN"),
                   "environment", err);
}

static int plan_web(cq_aws_plan *p, cq_error *err) {
  const char *const args[] = {cq_aws_env("AWS_ROLE_ARN"),
                              cq_aws_env("AWS_WEB_IDENTITY_TOKEN_FILE"),
                              cq_aws_env("AWS_ROLE_SESSION_NAME"), NULL};

  if (!args[CQ_WEB_FILE]) return CQ_NOTFOUND;
  if (!args[CQ_WEB_ARN])
    return cq_error_set(err, CQ_AUTH, "aws: environment lacks AWS_ROLE_ARN");
  return plan_step(p, CQ_AWS_WEB, "environment", args, 4, err);
}

/* An address that only the same machine or its link can have. */
static int container_host(const cq_url_parts *u) {
  static const char *const hosts[] = {"169.254.170.2", "169.254.170.23",
                                      "[fd00:ec2::23]", "localhost", "[::1]"};
  int dots = 0;

  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
    if (u->nhost == strlen(hosts[i]) &&
        cq_str_ieqn(u->host, hosts[i], u->nhost))
      return 1;
  for (size_t i = 0; i < u->nhost; i++)
    if (u->host[i] == '.')
      dots++;
    else if (u->host[i] < '0' || u->host[i] > '9')
      return 0;
  return dots == 3 && u->nhost > 4 && memcmp(u->host, "127.", 4) == 0;
}

static int plan_container(cq_aws_plan *p, cq_error *err) {
  const char *relative = cq_aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const char *full = cq_aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const char *args[] = {NULL, cq_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                        cq_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")};
  cq_url_parts u;

  if (!relative && !full) return CQ_NOTFOUND;
  if (relative) {
    if (*relative != '/')
      return cq_error_set(err, CQ_AUTH,
                          "aws: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not "
                          "a path: %.200s",
                          relative);
    full = cq_arena_printf(&p->arena, "http://169.254.170.2%s", relative);
    if (!full) return cq_error_nomem(err);
  } else if (!cq_url_split(full, strlen(full), &u) || !u.nhost || u.nuserinfo) {
    return cq_error_set(err, CQ_AUTH,
                        "aws: AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL");
  } else if (!(u.nscheme == 5 && cq_str_ieqn(u.scheme, "https", 5)) &&
             !container_host(&u)) {
    cq_error_set(err, CQ_AUTH,
                 "aws: AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that "
                 "may not be asked: %.*s",
                 (int)u.nhost, u.host);
    cq_error_hint(err, "without https only this machine, 169.254.170.2 and "
                       "169.254.170.23 are");
    return CQ_AUTH;
  }
  args[CQ_CONTAINER_URL] = full;
  return plan_step(p, CQ_AWS_CONTAINER, "environment", args, 3, err);
}

static int plan_imds(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                     cq_error *err) {
  const char *endpoint = cq_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  const char *mode = cq_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
  const char *no_v1 = cq_aws_env("AWS_EC2_METADATA_V1_DISABLED");
  const char *args[2];

  if (cq_aws_truth(cq_aws_env("AWS_EC2_METADATA_DISABLED"), 0))
    return CQ_NOTFOUND;
  if (!endpoint)
    endpoint = cq_aws_setting(f, profile, "ec2_metadata_service_endpoint");
  if (!mode)
    mode = cq_aws_setting(f, profile, "ec2_metadata_service_endpoint_mode");
  if (!no_v1) no_v1 = cq_aws_setting(f, profile, "ec2_metadata_v1_disabled");
  if (!endpoint)
    endpoint = mode && cq_str_ieq(mode, "ipv6") ? "http://[fd00:ec2::254]"
                                                : "http://169.254.169.254";
  args[CQ_IMDS_ENDPOINT] = endpoint;
  args[CQ_IMDS_V1] = cq_aws_truth(no_v1, 0) ? NULL : "1";
  return plan_step(p, CQ_AWS_IMDS, "instance", args, 2, err);
}

/* ---- profiles ------------------------------------------------------------- */

typedef struct plan_walk { /* the profiles on the way, against circles */
  const char *name;
  const struct plan_walk *before;
} plan_walk;

static int plan_profile(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                        const plan_walk *before, int keys_only, cq_error *err);

static int profile_mfa(const char *profile, cq_error *err) {
  cq_error_set(err, CQ_AUTH,
               "aws: profile %s: asks for an MFA code, which cq cannot give",
               profile);
  cq_error_hint(err, "log in with the aws command first, and use the "
                     "session's keys");
  return CQ_AUTH;
}

/* Whose keys assume the profile's role. */
static int profile_source(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                          const plan_walk *here, cq_error *err) {
  const char *source = cq_aws_setting(f, profile, "source_profile");
  const char *from = cq_aws_setting(f, profile, "credential_source");
  int rc;

  if (source && from)
    return cq_error_set(err, CQ_AUTH,
                        "aws: profile %s: has both source_profile and "
                        "credential_source",
                        profile);
  if (source)
    return plan_profile(p, f, source, here, strcmp(source, profile) == 0, err);
  if (!from)
    return cq_error_set(err, CQ_AUTH,
                        "aws: profile %s: role_arn without source_profile or "
                        "credential_source",
                        profile);
  if (strcmp(from, "Environment") == 0)
    rc = plan_environment(p, err);
  else if (strcmp(from, "EcsContainer") == 0)
    rc = plan_container(p, err);
  else if (strcmp(from, "Ec2InstanceMetadata") == 0)
    rc = plan_imds(p, f, profile, err);
  else
    return cq_error_set(err, CQ_AUTH,
                        "aws: profile %s: unknown credential_source: %.60s",
                        profile, from);
  if (rc == CQ_NOTFOUND)
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: profile %s: credential_source is %s, which has no "
                      "keys",
                      profile, from);
  return rc;
}

static int profile_role(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                        const char *from, const plan_walk *here,
                        cq_error *err) {
  const char *const args[] = {cq_aws_setting(f, profile, "role_arn"),
                              cq_aws_setting(f, profile, "external_id"),
                              cq_aws_setting(f, profile, "role_session_name"),
                              cq_aws_setting(f, profile, "duration_seconds")};
  int rc;

  if (cq_aws_setting(f, profile, "mfa_serial"))
    return profile_mfa(profile, err);
  rc = profile_source(p, f, profile, here, err);
  return rc ? rc : plan_step(p, CQ_AWS_ROLE, from, args, 4, err);
}

static int profile_web(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                       const char *from, const char *file, cq_error *err) {
  const char *const args[] = {cq_aws_setting(f, profile, "role_arn"), file,
                              cq_aws_setting(f, profile, "role_session_name"),
                              cq_aws_setting(f, profile, "duration_seconds")};

  if (!args[CQ_WEB_ARN])
    return cq_error_set(err, CQ_AUTH,
                        "aws: profile %s: web_identity_token_file without "
                        "role_arn",
                        profile);
  return plan_step(p, CQ_AWS_WEB, from, args, 4, err);
}

/* By the session's name since there are sessions, else by the start URL. */
static int profile_sso(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                       const char *from, cq_error *err) {
  const char *session = cq_aws_setting(f, profile, "sso_session");
  const char *url = cq_aws_setting(f, profile, "sso_start_url");
  const char *region = cq_aws_setting(f, profile, "sso_region");
  const char *lacks = NULL, *args[CQ_SSO_OIDC + 1];
  cq_aws_places places;

  if (session) {
    const char *its = cq_aws_section(f, "sso-session", session, "sso_region");

    if (its) region = its;
    its = cq_aws_section(f, "sso-session", session, "sso_start_url");
    if (its) url = its;
    if (!its && !url)
      return cq_error_set(err, CQ_AUTH,
                          "aws: profile %s: no such sso-session: %.100s",
                          profile, session);
  }
  args[CQ_SSO_CACHE] = session ? session : url;
  args[CQ_SSO_REGION] = region;
  args[CQ_SSO_ACCOUNT] = cq_aws_setting(f, profile, "sso_account_id");
  args[CQ_SSO_ROLE] = cq_aws_setting(f, profile, "sso_role_name");
  args[CQ_SSO_RENEWS] = session ? "1" : NULL;
  if (cq_aws_places_take(f, profile, &p->arena, &places))
    return cq_error_nomem(err);
  args[CQ_SSO_ENDPOINT] = cq_aws_place(&places, "sso");
  args[CQ_SSO_OIDC] = cq_aws_place(&places, "sso-oidc");
  if (!url) lacks = "sso_start_url";
  if (!region) lacks = "sso_region";
  if (!args[CQ_SSO_ACCOUNT]) lacks = "sso_account_id";
  if (!args[CQ_SSO_ROLE]) lacks = "sso_role_name";
  if (lacks)
    return cq_error_set(err, CQ_AUTH, "aws: profile %s: lacks %s", profile,
                        lacks);
  return plan_step(p, CQ_AWS_SSO, from, args, CQ_SSO_OIDC + 1, err);
}

/* CQ_NOTFOUND where the profile says nothing of credentials. */
static int profile_own(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                       const char *from, cq_error *err) {
  const char *access = cq_aws_setting(f, profile, "aws_access_key_id");
  const char *secret = cq_aws_setting(f, profile, "aws_secret_access_key");
  const char *file = cq_aws_setting(f, profile, "web_identity_token_file");
  const char *process = cq_aws_setting(f, profile, "credential_process");

  if (access && secret)
    return plan_keys(p, access, secret,
                     cq_aws_setting(f, profile, "aws_session_token"), from,
                     err);
  if (access || secret)
    return cq_error_set(err, CQ_AUTH, "aws: profile %s: lacks %s", profile,
                        access ? "aws_secret_access_key" : "aws_access_key_id");
  if (file) return profile_web(p, f, profile, from, file, err);
  if (cq_aws_setting(f, profile, "sso_session") ||
      cq_aws_setting(f, profile, "sso_start_url"))
    return profile_sso(p, f, profile, from, err);
  if (process) return plan_step(p, CQ_AWS_PROCESS, from, &process, 1, err);
  return CQ_NOTFOUND;
}

static int plan_profile(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                        const plan_walk *before, int keys_only, cq_error *err) {
  plan_walk here = {profile, before};
  const char *region, *from;
  int rc, depth = 0;

  for (const plan_walk *w = before; w && !keys_only; w = w->before, depth++)
    if (strcmp(w->name, profile) == 0)
      return cq_error_set(err, CQ_AUTH,
                          "aws: profile %s: source_profile leads back to "
                          "itself",
                          profile);
  if (depth > CQ_AWS_ROLES)
    return cq_error_set(err, CQ_AUTH, "aws: too many roles in a row: %d",
                        depth);
  if (!cq_aws_files_has(f, profile))
    return before ? cq_error_set(err, CQ_AUTH,
                                 "aws: profile %s: source_profile: no such "
                                 "profile: %s",
                                 before->name, profile)
                  : cq_error_set(err, CQ_AUTH, "aws: no such profile: %s",
                                 profile);
  region = cq_aws_setting(f, profile, "region");
  if (region && !p->region && plan_keep(p, &p->region, region))
    return cq_error_nomem(err);
  from = cq_arena_printf(&p->arena, "profile %s", profile);
  if (!from) return cq_error_nomem(err);
  if (!keys_only && cq_aws_setting(f, profile, "role_arn") &&
      !cq_aws_setting(f, profile, "web_identity_token_file"))
    return profile_role(p, f, profile, from, &here, err);
  rc = profile_own(p, f, profile, from, err);
  if (rc == CQ_NOTFOUND && cq_aws_setting(f, profile, "login_session")) {
    cq_error_set(err, CQ_AUTH,
                 "aws: profile %s: login_session: what `aws login` keeps can "
                 "be read by AWS's own tools alone",
                 profile);
    cq_error_hint(err,
                  "name a profile that has: credential_process = aws configure "
                  "export-credentials --profile %s",
                  profile);
    return CQ_AUTH;
  }
  if (rc == CQ_NOTFOUND && before)
    rc = cq_error_set(err, CQ_AUTH, "aws: profile %s: has no keys", profile);
  return rc;
}

/* ---- the whole ------------------------------------------------------------- */

static int plan_none(const char *named, cq_error *err) {
  if (named)
    cq_error_set(err, CQ_AUTH, "aws: profile %s: has no keys", named);
  else
    cq_error_set(err, CQ_AUTH, "aws: no credentials found");
  cq_error_hint(err, "%s", cq_aws_no_credentials);
  return CQ_AUTH;
}

const char cq_aws_no_credentials[] =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of "
    "~/.aws";

/* Without keys among the parameters. */
static int plan_chain(cq_aws_plan *p, cq_aws_files *f, const char *given,
                      const char *profile, cq_error *err) {
  const char *named = given ? given : cq_aws_env("AWS_PROFILE");
  int rc = CQ_NOTFOUND;

  if (!given) rc = plan_environment(p, err);
  if (rc == CQ_NOTFOUND && !given) rc = plan_web(p, err);
  if (rc != CQ_NOTFOUND) return rc;
  /* nobody asked for "default": that it is not there says little */
  if (named || cq_aws_files_has(f, profile))
    rc = plan_profile(p, f, profile, NULL, 0, err);
  if (rc == CQ_NOTFOUND) rc = plan_container(p, err);
  if (rc == CQ_NOTFOUND) rc = plan_imds(p, f, profile, err);
  return rc == CQ_NOTFOUND ? plan_none(named, err) : rc;
}

/* How often a request is tried: as given, or one less than the attempts that
 * environment or profile allow. */
static int plan_retries(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                        const char *given, cq_error *err) {
  const char *name = "AWS_MAX_ATTEMPTS", *said = cq_aws_env(name);
  int least = 1;
  cq_value v;

  if (given) {
    name = "max_retries";
    said = given;
    least = 0;
  } else if (!said) {
    name = "max_attempts";
    said = cq_aws_setting(f, profile, name);
  }
  if (!said || !*said) return CQ_OK;
  if (cq_number_parse(said, strlen(said), &v) || v.kind != CQ_INT ||
      v.u.i < least)
    return cq_error_set(err, CQ_AUTH,
                        "aws: %s: expected a whole number from %d: %.60s", name,
                        least, said);
  p->max_retries = cq_arena_printf(&p->arena, "%d",
                                   (int)(v.u.i > 1000 ? 1000 : v.u.i) - least);
  return p->max_retries ? CQ_OK : cq_error_nomem(err);
}

static int plan_mode(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                     cq_error *err) {
  static const char *const modes[] = {"adaptive", "standard", "legacy"};
  const char *name = "AWS_RETRY_MODE", *said = cq_aws_env(name);

  if (!said) {
    name = "retry_mode";
    said = cq_aws_setting(f, profile, name);
  }
  if (!said || !*said) return CQ_OK;
  for (size_t i = 0; i < 3; i++)
    if (cq_str_ieq(said, modes[i])) {
      p->retry_mode = modes[i];
      return CQ_OK;
    }
  cq_error_set(err, CQ_AUTH, "aws: %s: unknown mode: %.60s", name, said);
  cq_error_hint(err, "one of: adaptive standard legacy");
  return CQ_AUTH;
}

/* What environment and profile say beside the credentials. */
static int plan_places(cq_aws_plan *p, cq_aws_files *f, const char *profile,
                       cq_error *err) {
  const char *ca = cq_aws_env("AWS_CA_BUNDLE"), *region = p->region;

  if (!ca) ca = cq_aws_setting(f, profile, "ca_bundle");
  if (!region) region = cq_aws_setting(f, profile, "region");
  if (plan_keep(p, &p->ca_file, ca) || plan_keep(p, &p->region, region) ||
      plan_keep(p, &p->fips, cq_aws_setting(f, profile, "use_fips_endpoint")) ||
      plan_keep(p, &p->dual,
                cq_aws_setting(f, profile, "use_dualstack_endpoint")) ||
      cq_aws_places_take(f, profile, &p->arena, &p->places) ||
      plan_keep(p, &p->sts_endpoint, cq_aws_place(&p->places, "sts")))
    return cq_error_nomem(err);
  return CQ_OK;
}

int cq_aws_plan_make(const cq_auth_params *p, cq_aws_plan *out, cq_error *err) {
  static const char *const names[] = {"access_key_id",
                                      "secret_access_key",
                                      "session_token",
                                      "profile",
                                      "role_arn",
                                      "external_id",
                                      "role_session_name",
                                      "duration_seconds",
                                      "source_role_arn",
                                      "source_external_id",
                                      "source_role_session_name",
                                      "max_retries"};
  enum {
    ACCESS,
    SECRET,
    SESSION,
    PROFILE,
    ROLE,
    EXTERNAL,
    NAME,
    DURATION,
    ABOVE,
    ABOVE_EXTERNAL,
    ABOVE_NAME,
    RETRIES,
    PARAMS
  };
  const char *v[PARAMS], *profile;
  cq_aws_files files;
  int rc = CQ_OK;

  memset(out, 0, sizeof *out);
  memset(&files, 0, sizeof files);
  cq_arena_init(&out->arena);
  for (int i = 0; i < PARAMS && rc == CQ_OK; i++)
    rc = cq_auth_param(p, names[i], &out->arena, &v[i], err);
  if (rc) goto done;
  if ((v[ACCESS] != NULL) != (v[SECRET] != NULL)) {
    rc = cq_error_set(err, CQ_AUTH, "auth aws_sigv4: parameter is missing: %s",
                      v[ACCESS] ? names[SECRET] : names[ACCESS]);
    goto done;
  }
  profile = v[PROFILE] ? v[PROFILE] : cq_aws_env("AWS_PROFILE");
  if (!profile) profile = "default";
  rc = cq_aws_files_read(&files, err);
  /* Who brings keys needs none of these files: a broken one is not his. */
  if (rc && rc != CQ_NOMEM && v[ACCESS]) rc = CQ_OK;
  if (rc == CQ_OK && v[ACCESS])
    rc = plan_keys(out, v[ACCESS], v[SECRET], v[SESSION], "parameters", err);
  else if (rc == CQ_OK)
    rc = plan_chain(out, &files, v[PROFILE], profile, err);
  if (rc == CQ_OK) rc = plan_places(out, &files, profile, err);
  if (rc == CQ_OK) rc = plan_retries(out, &files, profile, v[RETRIES], err);
  if (rc == CQ_OK) rc = plan_mode(out, &files, profile, err);
  if (rc == CQ_OK && v[ABOVE]) {
    const char *const args[] = {v[ABOVE], v[ABOVE_EXTERNAL], v[ABOVE_NAME],
                                NULL};

    rc = plan_step(out, CQ_AWS_ROLE, "role_arn", args, 4, err);
  }
  if (rc == CQ_OK && v[ROLE]) {
    const char *const args[] = {v[ROLE], v[EXTERNAL], v[NAME], v[DURATION]};

    rc = plan_step(out, CQ_AWS_ROLE, "role_arn", args, 4, err);
  }
  if (rc && rc != CQ_NOMEM && err) err->code = rc = CQ_AUTH;
done:
  cq_aws_files_clear(&files);
  if (rc) cq_aws_plan_clear(out);
  return rc;
}
