/* ext/http/auth/aws_endpoint.c: where AWS's own login services are: by
 * environment and profile, else by the partition of a region. */
#include <stdio.h>
#include <string.h>

#include "http/auth/internal.h"

/* What is known by a region's or an ARN's beginning alone; the integration
 * has the rest from AWS's endpoint data. */
static const struct {
  const char *partition, *prefix, *suffix, *dual, *home;
} partitions[] = {
    {"aws", "", "amazonaws.com", "api.aws", "us-east-1"},
    {"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn",
     "cn-north-1"},
    {"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws", "us-gov-west-1"},
    {"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov", "us-iso-east-1"},
    {"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud",
     "us-isob-east-1"},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk",
     "eu-isoe-west-1"},
    {"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov",
     "us-isof-south-1"},
    {"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu",
     "eusc-de-east-1"},
};
enum { NPARTITION = sizeof partitions / sizeof *partitions };

int cq_aws_region_check(const char *region, cq_error *err) {
  for (const char *p = region; *p; p++)
    if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-'))
      return cq_error_set(err, CQ_AUTH, "aws: not a region: %.60s", region);
  return CQ_OK;
}

static int partition_of(const char *region) {
  for (int i = 1; i < NPARTITION; i++)
    if (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) ==
        0)
      return i;
  return 0;
}

char *cq_aws_login_url(const char *service, const char *region, int fips,
                       int dual, const char *path) {
  int i = partition_of(region);
  /* GovCloud's usual hosts are such already. */
  int own = fips && strcmp(partitions[i].partition, "aws-us-gov") != 0;

  return cq_mprintf("https://%s%s.%s.%s%s", service,
                    own || (fips && dual) ? "-fips" : "", region,
                    dual ? partitions[i].dual : partitions[i].suffix, path);
}

const char *cq_aws_home(const char *arn, const char *region) {
  const char *home = "us-east-1", *prefix = NULL;

  for (int i = 1; i < NPARTITION; i++) {
    size_t n = strlen(partitions[i].partition);

    if (strncmp(arn, "arn:", 4) != 0 ||
        strncmp(arn + 4, partitions[i].partition, n) != 0 || arn[4 + n] != ':')
      continue;
    home = partitions[i].home;
    prefix = partitions[i].prefix;
  }
  if (!region || !*region ||
      (prefix && strncmp(region, prefix, strlen(prefix)) != 0))
    return home;
  return region;
}

/* AWS_ENDPOINT_URL_<SERVICE>: upper case, '_' for what is no letter. */
static const char *endpoint_variable(const char *service) {
  char name[96];
  int n = snprintf(name, sizeof name, "AWS_ENDPOINT_URL_%s", service);

  if (n < 0 || n >= (int)sizeof name) return NULL;
  for (char *p = name; *p; p++)
    if (*p >= 'a' && *p <= 'z')
      *p = (char)(*p - 'a' + 'A');
    else if (!(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9'))
      *p = '_';
  return cq_aws_env(name);
}

int cq_aws_endpoints_ignored(cq_aws_files *f, const char *profile) {
  const char *env = cq_aws_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

  return cq_aws_truth(
      env ? env : cq_aws_setting(f, profile, "ignore_configured_endpoint_urls"),
      0);
}

/* A services section's name of a service: "sso_oidc", "secrets_manager". */
static int endpoint_named(const char *name, size_t n, const char *service) {
  if (strlen(service) != n) return 0;
  for (size_t i = 0; i < n; i++) {
    char c = (char)cq_lower(service[i]);

    if (c == '-' || c == ' ') c = '_';
    if ((char)cq_lower(name[i]) != c) return 0;
  }
  return 1;
}

int cq_aws_places_take(cq_aws_files *f, const char *profile, cq_arena *a,
                       cq_aws_places *out) {
  static const char tail[] = ".endpoint_url";
  const char *services = cq_aws_setting(f, profile, "services"), *all;
  const char **names, **urls;
  char section[512];

  memset(out, 0, sizeof *out);
  out->ignored = cq_aws_endpoints_ignored(f, profile);
  all = cq_aws_setting(f, profile, "endpoint_url");
  if (all && !(out->all = cq_arena_strndup(a, all, strlen(all))))
    return CQ_NOMEM;
  if (!services || snprintf(section, sizeof section, "services %s", services) >=
                       (int)sizeof section)
    return CQ_OK;
  names = cq_arena_alloc(a, (f->config.n + 1) * sizeof *names);
  urls = cq_arena_alloc(a, (f->config.n + 1) * sizeof *urls);
  if (!names || !urls) return CQ_NOMEM;
  out->service = names;
  out->url = urls;
  for (size_t i = 0; i < f->config.n; i++) {
    const cq_ini_entry *e = &f->config.entries[i];
    size_t n = e->key ? strlen(e->key) : 0;

    if (n < sizeof tail || strcmp(e->section, section) != 0 || !*e->value ||
        strcmp(e->key + n - (sizeof tail - 1), tail) != 0)
      continue;
    names[out->n] = cq_arena_strndup(a, e->key, n - (sizeof tail - 1));
    urls[out->n] = cq_arena_strndup(a, e->value, strlen(e->value));
    if (!names[out->n] || !urls[out->n]) return CQ_NOMEM;
    out->n++;
  }
  return CQ_OK;
}

const char *cq_aws_place(const cq_aws_places *p, const char *service) {
  const char *url;

  if (p->ignored) return NULL;
  if (service && (url = endpoint_variable(service))) return url;
  if ((url = cq_aws_env("AWS_ENDPOINT_URL"))) return url;
  for (size_t i = 0; service && i < p->n; i++)
    if (endpoint_named(p->service[i], strlen(p->service[i]), service))
      return p->url[i];
  return p->all;
}
