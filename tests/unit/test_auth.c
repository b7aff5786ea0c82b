/* tests/unit/test_auth.c: signatures against AWS's published vectors, the
 * chain of AWS credentials, logins against a small server, redaction. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "http/auth/auth.h"
#include "http/auth/internal.h"
#include "test.h"

/* ---- a server that answers logins -------------------------------------- */

static struct {
  int fd, port, stop;
  pthread_t thread;
  pthread_mutex_t lock;
  char seen[8][8192]; /* requests, head and body */
  int n;
  int fail;    /* that many answers are 503 first */
  int seconds; /* how long what is given out lasts */
  int ahead;   /* so many seconds its clock is; 0 = it tells no time */
  int refuse;  /* that many logins are refused first */
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void reply(int fd, int status, const char *body) {
  char out[4096], date[64] = "";
  time_t t = time(NULL) + server.ahead;
  struct tm tm;
  int n;
  gmtime_r(&t, &tm);
  if (server.ahead)
    strftime(date, sizeof date, "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
  n = snprintf(out, sizeof out,
               "HTTP/1.1 %d X\r\ncontent-length: %zu\r\n%s"
               "connection: close\r\n\r\n%s",
               status, strlen(body), date, body);
  if (send(fd, out, (size_t)n, MSG_NOSIGNAL) != n) perror("send");
}

static void when(char *out, size_t size, int seconds) {
  time_t t = time(NULL) + seconds;
  struct tm tm;
  gmtime_r(&t, &tm);
  strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void serve_one(int fd, const char *text, int number) {
  char body[2048], until[40];
  when(until, sizeof until, server.seconds + server.ahead);
  if (server.fail > 0) {
    server.fail--;
    reply(fd, 503, "busy");
  } else if (server.refuse > 0) {
    server.refuse--;
    reply(fd, 401, "{\"message\": \"'iat' is in the future\"}");
  } else if (strstr(text, "RoleArn=arn%3Aaws%3Aiam%3A%3A9%3Arole%2Fno")) {
    reply(fd, 403,
          "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied"
          "</Code><Message>not &lt;you&gt;</Message></Error></ErrorResponse>");
  } else if (strstr(text, "Action=AssumeRole")) {
    snprintf(
        body, sizeof body,
        "<?xml version=\"1.0\"?><AssumeRoleResponse xmlns=\"https://sts/\">"
        "<AssumeRoleResult><AssumedRoleUser><Arn>arn:x</Arn>"
        "</AssumedRoleUser><Credentials><AccessKeyId>ASIA%d</AccessKeyId>"
        "<SecretAccessKey>assumed-secret-%d</SecretAccessKey>"
        "<SessionToken>session-token-%d</SessionToken><Expiration>%s"
        "</Expiration></Credentials></AssumeRoleResult>"
        "</AssumeRoleResponse>",
        number, number, number, until);
    reply(fd, 200, body);
  } else if (strstr(text, "GET /api/orgs/acme/installation ")) {
    reply(fd, 200, "{\"id\": 77, \"account\": {\"id\": 5}}");
  } else if (strstr(text, "POST /api/app/installations/77/access_tokens ")) {
    snprintf(body, sizeof body,
             "{\"token\": \"ghs_token_%d\", "
             "\"expires_at\": \"%s\"}",
             number, until);
    reply(fd, 201, body);
  } else {
    reply(fd, 404, "{\"message\": \"Not Found\"}");
  }
}

static void *serve(void *arg) {
  (void)arg;
  while (!__atomic_load_n(&server.stop, __ATOMIC_RELAXED)) {
    struct pollfd p = {server.fd, POLLIN, 0};
    char buf[8192];
    size_t have = 0;
    int fd;
    if (poll(&p, 1, 20) <= 0) continue;
    fd = accept(server.fd, NULL, NULL);
    while (have < sizeof buf - 1) {
      ssize_t k = recv(fd, buf + have, sizeof buf - 1 - have, 0);
      char *end, *cl;
      if (k <= 0) break;
      have += (size_t)k;
      buf[have] = 0;
      end = strstr(buf, "\r\n\r\n");
      cl = strstr(buf, "Content-Length:");
      if (end &&
          have >= (size_t)(end + 4 - buf) + (cl ? (size_t)atol(cl + 15) : 0))
        break;
    }
    buf[have] = 0;
    pthread_mutex_lock(&server.lock);
    if (server.n < 8) memcpy(server.seen[server.n], buf, have + 1);
    server.n++;
    serve_one(fd, buf, server.n);
    pthread_mutex_unlock(&server.lock);
    close(fd);
  }
  return NULL;
}

static void server_start(void) {
  struct sockaddr_in a;
  socklen_t n = sizeof a;
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server.fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(server.fd, (struct sockaddr *)&a, sizeof a) ||
      listen(server.fd, 16) ||
      getsockname(server.fd, (struct sockaddr *)&a, &n)) {
    perror("server");
    exit(2);
  }
  server.port = ntohs(a.sin_port);
  pthread_create(&server.thread, NULL, serve, NULL);
}

static void server_set(int fail, int seconds) {
  pthread_mutex_lock(&server.lock);
  server.n = 0;
  server.fail = fail;
  server.seconds = seconds;
  server.ahead = server.refuse = 0;
  memset(server.seen, 0, sizeof server.seen);
  pthread_mutex_unlock(&server.lock);
}

static int server_count(void) {
  pthread_mutex_lock(&server.lock);
  int n = server.n;
  pthread_mutex_unlock(&server.lock);
  return n;
}

static const char *server_url(const char *path) {
  static char url[100];
  snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server.port, path);
  return url;
}

/* ---- helpers ----------------------------------------------------------- */

typedef struct bed {
  cq_http *http;
  cq_auths *auths;
  const char *names[16];
  cq_value values[16];
  cq_auth_params p;
} bed;

static void bed_open(bed *b) {
  memset(b, 0, sizeof *b);
  CHECK_INT(cq_http_new(NULL, &b->http, NULL), CQ_OK);
  CHECK_INT(cq_auths_new(b->http, &b->auths, NULL), CQ_OK);
  b->p.names = b->names;
  b->p.values = b->values;
}

static void bed_close(bed *b) {
  cq_auths_free(b->auths);
  cq_http_free(b->http);
}

static void bed_set(bed *b, const char *name, const char *value) {
  for (size_t i = 0; i < b->p.n; i++)
    if (strcmp(b->names[i], name) == 0) {
      b->values[i] = cq_value_text(value);
      return;
    }
  b->names[b->p.n] = name;
  b->values[b->p.n++] = cq_value_text(value);
}

/* Logs in; 5 s at most. */
static int bed_ready(bed *b, cq_identity *id, cq_error *err) {
  int64_t until = cq_mono_ms() + 5000;
  int rc;
  while ((rc = id->ops->ready(id, err)) == CQ_BUSY && cq_mono_ms() < until)
    cq_http_wait(b->http, 50);
  return rc;
}

/* What the identity would send: headers, or the URL where that changes. */
static char sent_text[4096];
static const char *bed_sent(bed *b, cq_identity *id, const char *url) {
  cq_signer *s = NULL;
  cq_buf headers, changed;
  cq_error err = {0, ""};
  cq_buf_init(&headers, 65536);
  cq_buf_init(&changed, 65536);
  sent_text[0] = 0;
  CHECK_INT(id->ops->signer(id, &b->p, &s, &err), CQ_OK);
  if (s) {
    CHECK_INT(s->ops->sign(s, "GET", url, NULL, 0, NULL, 0, cq_now_us(),
                           &headers, &changed, &err),
              CQ_OK);
    snprintf(sent_text, sizeof sent_text, "%s",
             changed.len    ? changed.data
             : headers.data ? headers.data
                            : "");
  }
  cq_signer_unref(s);
  cq_buf_clear(&headers);
  cq_buf_clear(&changed);
  return sent_text;
}

/* ---- signatures -------------------------------------------------------- */

/* Reads the vectors' file. */
static char *vectors(void) {
  char path[500];
  const char *root = getenv("CQ_ROOT"); /* where the tests' driver found us */
  char *text = NULL;
  size_t n;
  cq_error err = {0, ""};
  snprintf(path, sizeof path, "%s/tests/unit/vectors/sigv4.txt",
           root ? root : ".");
  if (cq_file_read(path, 1 << 20, &text, &n, &err)) {
    printf("# %s\n", err.text);
    exit(2);
  }
  return text;
}

static char *cut(char *text, const char *at) {
  char *p = strstr(text, at);
  if (!p) return NULL;
  *p = 0;
  return p + strlen(at);
}

static int run_vector(char *name, char *request, char *canonical, char *authz) {
  cq_header h[16];
  size_t n = 0;
  char *body = cut(request, "\n\n"), *line, *method = request, *target, *rest;
  char url[600];
  cq_sigv4 c = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                NULL,          "us-east-1",
                "service",     0};
  cq_buf lines, canon;
  int64_t now;
  int bad = test_bad;
  rest = strchr(request, '\n');
  *rest++ = 0;
  target = strchr(method, ' ');
  *target++ = 0;
  *strstr(target, " HTTP/1.1") = 0;
  snprintf(url, sizeof url, "https://example.amazonaws.com%s", target);
  for (line = rest; line && *line; line = rest) {
    char *colon = strchr(line, ':');
    rest = strchr(line, '\n');
    if (rest) *rest++ = 0;
    *colon = 0;
    if (strcasecmp(line, "x-amz-security-token") == 0) {
      c.session = colon + 1;
      continue;
    }
    h[n].name = line;
    h[n++].value = colon + 1;
  }
  CHECK_INT(cq_time_parse("2015-08-30T12:36:00Z", 20, &now), CQ_OK);
  cq_buf_init(&lines, 65536);
  cq_buf_init(&canon, 65536);
  CHECK_INT(cq_sigv4_sign(&c, method, url, h, n, body, body ? strlen(body) : 0,
                          now, &lines, &canon, NULL),
            CQ_OK);
  CHECK_STR(canon.data, canonical);
  line = lines.data ? strstr(lines.data, "Authorization: ") : NULL;
  CHECK_STR(line ? line + 15 : NULL, authz);
  cq_buf_clear(&lines);
  cq_buf_clear(&canon);
  if (bad != test_bad) printf("# in the vector %s\n", name);
  return 1;
}

static void test_sigv4_agrees_with_the_suite(void) {
  char *text = vectors(), *p = cut(text, "\n== ");
  int n = 0;
  while (p) {
    char *next = cut(p, "\n== "), *name = p;
    char *request = cut(name, "\n");
    char *canonical = cut(request, "\n-- canonical\n");
    char *authz = cut(canonical, "\n-- authorization\n");
    authz[strcspn(authz, "\n")] = 0;
    n += run_vector(name, request, canonical, authz);
    p = next;
  }
  CHECK_INT(n, 29);
  cq_free(text);
}

static void check_s3(const char *method, const char *url, const char *name,
                     const char *value, const char *body, const char *want) {
  cq_sigv4 c = {"AKIAIOSFODNN7EXAMPLE",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                NULL,
                "us-east-1",
                "s3",
                1};
  cq_header h[] = {{name, value},
                   {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  cq_buf lines;
  int64_t now;
  char end[100];
  cq_buf_init(&lines, 65536);
  CHECK_INT(cq_time_parse("2013-05-24T00:00:00Z", 20, &now), CQ_OK);
  CHECK_INT(cq_sigv4_sign(&c, method, url, h,
                          body   ? 2
                          : name ? 1
                                 : 0,
                          body, body ? strlen(body) : 0, now, &lines, NULL,
                          NULL),
            CQ_OK);
  snprintf(end, sizeof end, "Signature=%s", want);
  CHECK(lines.len > strlen(end));
  CHECK_STR(lines.data + lines.len - strlen(end), end);
  cq_buf_clear(&lines);
}

/* The examples in the documentation of S3's REST interface. */
static void test_sigv4_agrees_with_s3s_examples(void) {
  check_s3("GET", "https://examplebucket.s3.amazonaws.com/test.txt", "Range",
           "bytes=0-9", NULL,
           "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  check_s3("PUT", "https://examplebucket.s3.amazonaws.com/test$file.text",
           "Date", "Fri, 24 May 2013 00:00:00 GMT", "Welcome to Amazon S3.",
           "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  check_s3("GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", NULL,
           NULL, NULL,
           "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  check_s3("GET", "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J",
           NULL, NULL, NULL,
           "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* And its example of a URL that is signed in its query. */
static void test_sigv4_presigns_as_s3s_example(void) {
  cq_sigv4 c = {"AKIAIOSFODNN7EXAMPLE",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                NULL,
                "us-east-1",
                "s3",
                1};
  cq_buf url;
  int64_t now;
  cq_buf_init(&url, 65536);
  CHECK_INT(cq_time_parse("2013-05-24T00:00:00Z", 20, &now), CQ_OK);
  CHECK_INT(cq_sigv4_presign(&c, "GET",
                             "https://examplebucket.s3.amazonaws.com/test.txt",
                             86400, now, &url, NULL),
            CQ_OK);
  CHECK_STR(url.data,
            "https://examplebucket.s3.amazonaws.com/test.txt"
            "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3"
            "%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
            "&X-Amz-SignedHeaders=host&X-Amz-Signature="
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
  cq_buf_clear(&url);
}

static void canonical_path(const char *service, const char *url,
                           const char *want) {
  cq_sigv4 c = {"A", "S", NULL, "r", service, 0};
  cq_buf lines, canon;
  cq_buf_init(&lines, 65536);
  cq_buf_init(&canon, 65536);
  CHECK_INT(
      cq_sigv4_sign(&c, "GET", url, NULL, 0, NULL, 0, 0, &lines, &canon, NULL),
      CQ_OK);
  char *path = canon.data ? strchr(canon.data, '\n') : NULL;
  if (path) path[1 + strcspn(path + 1, "\n")] = 0;
  CHECK_STR(path ? path + 1 : NULL, want);
  cq_buf_clear(&lines);
  cq_buf_clear(&canon);
}

static void test_sigv4_encodes_paths_as_services_do(void) {
  canonical_path("s3", "https://h/a%20b/../c//d", "/a%20b/../c//d");
  canonical_path("s3", "https://h/a+b(1)%2f", "/a%2Bb%281%29/");
  canonical_path("lambda", "https://h/a%3Ab", "/a%253Ab");
  canonical_path("lambda", "https://h/a/./b//c/../d/", "/a/b/d/");
  canonical_path("lambda", "https://h", "/");
  canonical_path("lambda", "https://h?x", "/");
}

/* ---- AWS credentials --------------------------------------------------- */

static char folder[] = "/tmp/cq-test-auth-XXXXXX";

static void write_file(const char *name, const char *text) {
  char path[200];
  FILE *f;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  f = fopen(path, "w");
  fputs(text, f);
  fclose(f);
}

static void clean_env(void) {
  char path[200];
  unsetenv("AWS_ACCESS_KEY_ID");
  unsetenv("AWS_SECRET_ACCESS_KEY");
  unsetenv("AWS_SESSION_TOKEN");
  unsetenv("AWS_PROFILE");
  unsetenv("AWS_REGION");
  unsetenv("AWS_DEFAULT_REGION");
  unsetenv("AWS_ROLE_ARN");
  unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
  unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  snprintf(path, sizeof path, "%s/config", folder);
  setenv("AWS_CONFIG_FILE", path, 1);
  snprintf(path, sizeof path, "%s/credentials", folder);
  setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
  write_file(
      "credentials",
      "# comment\n[default]\naws_access_key_id = AKDEFAULT\n"
      "aws_secret_access_key=defaultsecret ; a comment\n"
      "[base]\r\nAWS_ACCESS_KEY_ID=AKBASE\r\n"
      "aws_secret_access_key=basesecret#1\r\n"
      "aws_session_token = basesession\r\n"
      "[self]\naws_access_key_id=AKSELF\naws_secret_access_key=selfsecret\n"
      "[half]\naws_access_key_id=AKHALF\n");
  write_file(
      "config",
      "[default]\nregion=eu-west-1\ns3 =\n  aws_access_key_id = nested\n"
      "[profile \"dev\"]\nrole_arn=arn:aws:iam::1:role/dev\n"
      "source_profile=base\nexternal_id=ext\nduration_seconds=900\n"
      "role_session_name=me\nregion=us-west-2\n"
      "[profile two]\nrole_arn=arn:aws:iam::2:role/two\nsource_profile=dev\n"
      "[profile self]\nrole_arn=arn:aws:iam::3:role/s\nsource_profile=self\n"
      "[profile a]\nrole_arn=arn:aws:iam::4:role/a\nsource_profile=b\n"
      "[profile b]\nrole_arn=arn:aws:iam::4:role/b\nsource_profile=a\n"
      "[profile env]\nrole_arn=arn:aws:iam::5:role/e\n"
      "credential_source=Environment\n"
      "[profile ec2]\nrole_arn=arn:aws:iam::5:role/e\n"
      "credential_source=Ec2InstanceMetadata\n"
      "[profile mfa]\nrole_arn=arn:aws:iam::5:role/e\nsource_profile=base\n"
      "mfa_serial=arn:aws:iam::5:mfa/me\n"
      "[profile sso]\nsso_session=x\n"
      "[profile lone]\nrole_arn=arn:aws:iam::5:role/e\n"
      "[profile lost]\nrole_arn=arn:aws:iam::5:role/e\nsource_profile=gone\n"
      "[profile login]\nlogin_session=arn:aws:iam::5:user/me\n");
}

/* want: "KEYS region role:external:session:duration ..." or the error; KEYS are
 * ACCESS/SECRET/SESSION, or the kind and its arguments. */
static void check_plan(const char *const *params, const char *want) {
  static const char *const kinds[] = {"",    "",          "web", "process",
                                      "sso", "container", "imds"};
  bed b;
  cq_aws_plan plan;
  cq_error err = {0, ""};
  char got[1200] = "";
  int rc, n = 0;
  memset(&b, 0, sizeof b);
  b.p.names = b.names;
  b.p.values = b.values;
  for (; *params; params += 2) bed_set(&b, params[0], params[1]);
  rc = cq_aws_plan_make(&b.p, &plan, &err);
  if (rc) {
    CHECK_INT(rc, CQ_AUTH);
    CHECK_INT(err.code, CQ_AUTH);
    snprintf(got, sizeof got, "%.*s", (int)strcspn(err.text, "\n"), err.text);
  } else {
    for (int i = 0; i < plan.nstep; i++) {
      const cq_aws_step *s = &plan.steps[i];
      int nargs = s->kind == CQ_AWS_KEYS                            ? 3
                  : s->kind == CQ_AWS_SSO                           ? 7
                  : s->kind == CQ_AWS_ROLE || s->kind == CQ_AWS_WEB ? 4
                  : s->kind == CQ_AWS_CONTAINER                     ? 3
                  : s->kind == CQ_AWS_IMDS                          ? 2
                                                                    : 1;
      n += snprintf(got + n, sizeof got - (size_t)n, "%s%s", i ? " " : "",
                    kinds[s->kind]);
      for (int k = 0; k < nargs; k++)
        n += snprintf(got + n, sizeof got - (size_t)n, "%s%s",
                      k                       ? s->kind ? ":" : "/"
                      : s->kind > CQ_AWS_ROLE ? "="
                                              : "",
                      s->arg[k] ? s->arg[k] : "");
      if (i == 0)
        n += snprintf(got + n, sizeof got - (size_t)n, " %s",
                      plan.region ? plan.region : "");
    }
    cq_aws_plan_clear(&plan);
  }
  CHECK_STR(got, want);
}

#define PLAN(want, ...)                                                        \
  do {                                                                         \
    const char *const list[] = {__VA_ARGS__};                                  \
    check_plan(list, want);                                                    \
  } while (0)

static void test_aws_finds_credentials_in_order(void) {
  clean_env();
  PLAN("AKDEFAULT/defaultsecret/ eu-west-1", NULL);
  PLAN("AKBASE/basesecret#1/basesession ", "profile", "base", NULL);
  setenv("AWS_PROFILE", "base", 1);
  PLAN("AKBASE/basesecret#1/basesession ", NULL);
  setenv("AWS_ACCESS_KEY_ID", "AKENV", 1);
  PLAN("aws: environment lacks AWS_SECRET_ACCESS_KEY", NULL);
  setenv("AWS_SECRET_ACCESS_KEY", "envsecret", 1);
  setenv("AWS_SESSION_TOKEN", "envtoken", 1);
  PLAN("AKENV/envsecret/envtoken ", NULL);
  PLAN("AKDEFAULT/defaultsecret/ eu-west-1", "profile", "default", NULL);
  PLAN("AK/SK/ST ", "access_key_id", "AK", "secret_access_key", "SK",
       "session_token", "ST", "profile", "base", NULL);
  PLAN("auth aws_sigv4: parameter is missing: secret_access_key",
       "access_key_id", "AK", NULL);
  PLAN("AKENV/envsecret/envtoken  arn:aws:iam::8:role/x:e::", "role_arn",
       "arn:aws:iam::8:role/x", "external_id", "e", NULL);
  PLAN("AKENV/envsecret/envtoken  arn:aws:iam::5:role/e:::", "profile", "env",
       NULL);
  PLAN("aws: credentials hold a blank or control character: parameters",
       "access_key_id", "AK", "secret_access_key", "a\r\nX: y", NULL);
}

static void test_aws_follows_profiles(void) {
  clean_env();
  PLAN("AKBASE/basesecret#1/basesession us-west-2 "
       "arn:aws:iam::1:role/dev:ext:me:900",
       "profile", "dev", NULL);
  PLAN("AKBASE/basesecret#1/basesession us-west-2 "
       "arn:aws:iam::1:role/dev:ext:me:900 arn:aws:iam::2:role/two::: "
       "arn:aws:iam::7:role/p:::",
       "profile", "two", "role_arn", "arn:aws:iam::7:role/p", NULL);
  PLAN("AKSELF/selfsecret/  arn:aws:iam::3:role/s:::", "profile", "self", NULL);
  PLAN("aws: profile a: source_profile leads back to itself", "profile", "a",
       NULL);
  PLAN("aws: profile env: credential_source is Environment, which has no keys",
       "profile", "env", NULL);
  PLAN("aws: profile ec2: credential_source is Ec2InstanceMetadata, which has "
       "no keys",
       "profile", "ec2", NULL);
  PLAN("aws: profile mfa: asks for an MFA code, which cq cannot give",
       "profile", "mfa", NULL);
  PLAN("aws: profile sso: no such sso-session: x", "profile", "sso", NULL);
  PLAN("aws: profile lone: role_arn without source_profile or "
       "credential_source",
       "profile", "lone", NULL);
  PLAN("aws: profile half: lacks aws_secret_access_key", "profile", "half",
       NULL);
  PLAN("aws: no such profile: nobody", "profile", "nobody", NULL);
  PLAN("aws: profile lost: source_profile: no such profile: gone", "profile",
       "lost", NULL);
  PLAN("aws: profile login: login_session: what `aws login` keeps can be read "
       "by AWS's own tools alone",
       "profile", "login", NULL);
  setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
  setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
  PLAN("aws: no credentials found", NULL);
}

static void test_aws_knows_every_source(void) {
  clean_env();
  write_file("credentials", "[both]\naws_access_key_id=A\n"
                            "aws_secret_access_key=B\ncredential_process=x\n");
  write_file(
      "config",
      "[profile web]\nrole_arn=arn:aws:iam::1:role/w\n"
      "web_identity_token_file=/token\nrole_session_name=n\n"
      "[profile both]\nregion=eu-west-1\n"
      "[profile run]\ncredential_process = \"/opt/my helper\" --for 'a b'\n"
      "[profile above]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=run\n"
      "[profile new]\nsso_session=corp\nsso_account_id=1\nsso_role_name=R\n"
      "services=mine\n[sso-session corp]\nsso_region=eu-west-1\n"
      "sso_start_url=https://c/start\n"
      "[services mine]\nsts =\n  endpoint_url = http://sts\nsso_oidc =\n"
      "  endpoint_url = http://oidc\n"
      "[profile old]\nsso_start_url=https://c/start\nsso_region=eu-west-2\n"
      "sso_account_id=2\nsso_role_name=S\nendpoint_url=http://all\n"
      "[profile lacks]\nsso_start_url=https://c/start\nsso_account_id=2\n"
      "[profile ec2]\nrole_arn=arn:aws:iam::5:role/e\n"
      "credential_source=Ec2InstanceMetadata\nec2_metadata_v1_disabled=true\n"
      "ec2_metadata_service_endpoint_mode=IPv6\n"
      "[profile ecs]\nrole_arn=arn:aws:iam::5:role/e\n"
      "credential_source=EcsContainer\n"
      "[profile odd]\nrole_arn=arn:aws:iam::5:role/e\ncredential_source=Sun\n"
      "[profile two]\nrole_arn=arn:aws:iam::5:role/e\n"
      "credential_source=EcsContainer\nsource_profile=web\n"
      "[profile bare]\nregion=eu-west-1\n");
  PLAN("A/B/ eu-west-1", "profile", "both", NULL);
  PLAN("web=arn:aws:iam::1:role/w:/token:n: ", "profile", "web", NULL);
  PLAN("process=\"/opt/my helper\" --for 'a b'  "
       "arn:aws:iam::1:role/r:::",
       "profile", "above", NULL);
  PLAN("sso=corp:eu-west-1:1:R:1::http://oidc ", "profile", "new", NULL);
  PLAN("sso=https://c/start:eu-west-2:2:S::http://all:http://all ", "profile",
       "old", NULL);
  setenv("AWS_ENDPOINT_URL_SSO", "http://one", 1);
  PLAN("sso=https://c/start:eu-west-2:2:S::http://one:http://all ", "profile",
       "old", NULL);
  setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
  PLAN("sso=https://c/start:eu-west-2:2:S::: ", "profile", "old", NULL);
  unsetenv("AWS_ENDPOINT_URL_SSO");
  unsetenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
  PLAN("aws: profile lacks: lacks sso_role_name", "profile", "lacks", NULL);
  PLAN("aws: profile odd: unknown credential_source: Sun", "profile", "odd",
       NULL);
  PLAN("aws: profile two: has both source_profile and credential_source",
       "profile", "two", NULL);
  PLAN("aws: profile ecs: credential_source is EcsContainer, which has no keys",
       "profile", "ecs", NULL);
  unsetenv("AWS_EC2_METADATA_DISABLED");
  PLAN("imds=http://[fd00:ec2::254]:  arn:aws:iam::5:role/e:::", "profile",
       "ec2", NULL);
  PLAN("imds=http://169.254.169.254:1 eu-west-1", "profile", "bare", NULL);
  PLAN("imds=http://169.254.169.254:1 ", NULL);
  setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/x", 1);
  setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic x", 1);
  PLAN("container=http://127.0.0.1:9/x:Basic x: ", NULL);
  setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[fd00:ec2::23]/v1", 1);
  PLAN("container=http://[fd00:ec2::23]/v1:Basic x: ", NULL);
  setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://any.example/v1", 1);
  PLAN("container=https://any.example/v1:Basic x: ", NULL);
  setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.evil.org/", 1);
  PLAN("aws: AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that may not be "
       "asked: 127.0.0.1.evil.org",
       NULL);
  setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/", 1);
  PLAN("aws: AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that may not be "
       "asked: 10.0.0.1",
       NULL);
  setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/7", 1);
  PLAN("container=http://169.254.170.2/v2/credentials/7:Basic x: ", NULL);
  setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.org/", 1);
  PLAN("aws: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path: @evil.org/",
       NULL);
  setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/irsa", 1);
  PLAN("aws: environment lacks AWS_ROLE_ARN", NULL);
  setenv("AWS_ROLE_ARN", "arn:aws:iam::6:role/i", 1);
  PLAN("web=arn:aws:iam::6:role/i:/irsa:: ", NULL);
  PLAN("A/B/ eu-west-1", "profile", "both", NULL);
  setenv("AWS_ACCESS_KEY_ID", "AKENV", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "envsecret", 1);
  PLAN("AKENV/envsecret/ ", NULL);
  clean_env();
}

static void test_aws_signs_with_given_keys(void) {
  bed b;
  cq_identity *id, *same;
  cq_error err = {0, ""};
  const char *sent;
  char text[] = "see verysecret here";
  bed_open(&b);
  bed_set(&b, "access_key_id", "AKGIVEN");
  bed_set(&b, "secret_access_key", "verysecret");
  bed_set(&b, "service", "ec2");
  bed_set(&b, "region", "eu-west-1");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, &err), CQ_OK);
  CHECK(strstr(id->cache_key, "verysecret") == NULL);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  sent = bed_sent(&b, id, "https://ec2.eu-west-1.amazonaws.com/");
  CHECK(strstr(sent, "/eu-west-1/ec2/aws4_request, SignedHeaders=host;"
                     "x-amz-content-sha256;x-amz-date, Signature="));
  CHECK(strstr(sent, "X-Amz-Content-Sha256: e3b0c442"));
  CHECK(strstr(sent, "Security-Token") == NULL);
  /* the service and region make no other identity, the key does */
  bed_set(&b, "region", "eu-west-2");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &same, &err), CQ_OK);
  CHECK(same == id);
  bed_set(&b, "access_key_id", "AKOTHER");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &same, &err), CQ_OK);
  CHECK(same != id);
  CHECK_INT(id->ops->refused(id), 0);
  cq_auths_redact(b.auths, text);
  CHECK_STR(text, "see *** here");
  bed_close(&b);
}

static void assume_params(bed *b, const char *role) {
  bed_set(b, "access_key_id", "AKGIVEN");
  bed_set(b, "secret_access_key", "verysecret");
  bed_set(b, "role_arn", role);
  bed_set(b, "external_id", "x y&z");
  bed_set(b, "role_session_name", "me");
  bed_set(b, "duration_seconds", "900");
  bed_set(b, "sts_endpoint", server_url(""));
  bed_set(b, "service", "s3");
  bed_set(b, "region", "eu-west-1");
}

static void test_aws_assumes_a_role(void) {
  bed b;
  cq_identity *id;
  cq_error err = {0, ""};
  char text[] = "a session-token-2 b assumed-secret-2 c verysecret";
  bed_open(&b);
  server_set(1, 900); /* a 503 first */
  assume_params(&b, "arn:aws:iam::9:role/yes");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, &err), CQ_OK);
  CHECK_INT(id->ops->ready(id, &err), CQ_BUSY);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 2);
  CHECK(strncmp(server.seen[1], "POST / HTTP/1.1\r\n", 17) == 0);
  CHECK(strstr(server.seen[1], "/eu-west-1/sts/aws4_request"));
  CHECK(strstr(server.seen[1],
               "\r\n\r\nAction=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws"
               "%3Aiam%3A%3A9%3Arole%2Fyes&RoleSessionName=me&ExternalId="
               "x%20y%26z&DurationSeconds=900"));
  CHECK(strstr(bed_sent(&b, id, "https://s3.amazonaws.com/"),
               "X-Amz-Security-Token: session-token-2\n"));
  CHECK(strstr(sent_text, "Credential=ASIA2/"));
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 2); /* once is enough */
  /* Refused while fresh: tried again, but not bought again. */
  CHECK_INT(id->ops->refused(id), 1);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 2);
  cq_auths_redact(b.auths, text);
  CHECK_STR(text, "a *** b *** c ***");
  bed_close(&b);
}

static void test_aws_renews_before_the_end(void) {
  bed b;
  cq_identity *id;
  cq_error err = {0, ""};
  int64_t until;
  bed_open(&b);
  server_set(0, 4);
  assume_params(&b, "arn:aws:iam::9:role/yes");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  until = cq_mono_ms() + 8000;
  while (server_count() < 2 && cq_mono_ms() < until) {
    int rc = id->ops->ready(id, &err);
    CHECK(rc == CQ_OK || rc == CQ_BUSY);
    cq_http_wait(b.http, 50);
  }
  CHECK_INT(server_count(), 2);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  for (int i = 0; i < 20 && !strstr(bed_sent(&b, id, "https://x/"), "ASIA2/");
       i++) {
    cq_http_wait(b.http, 50);
    id->ops->ready(id, &err);
  }
  CHECK(strstr(sent_text, "Credential=ASIA2/"));
  bed_close(&b);
}

static void test_aws_tells_why_a_role_is_refused(void) {
  bed b;
  cq_identity *id;
  cq_error err = {0, ""};
  bed_open(&b);
  server_set(0, 900);
  assume_params(&b, "arn:aws:iam::9:role/no");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_AUTH);
  CHECK_STR(
      err.text,
      "aws: cannot assume arn:aws:iam::9:role/no: AccessDenied: "
      "not <you>\nhint: the role's trust policy must name the caller, and "
      "the external_id must fit");
  bed_close(&b);
  bed_open(&b);
  assume_params(&b, "myrole");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_AUTH);
  CHECK(strstr(err.text, "role_arn is not an ARN: myrole"));
  bed_close(&b);
}

static void test_aws_assumes_roles_in_a_row(void) {
  bed b;
  cq_identity *id;
  cq_error err = {0, ""};
  clean_env();
  bed_open(&b);
  server_set(0, 900);
  bed_set(&b, "profile", "two");
  bed_set(&b, "sts_endpoint", server_url("/"));
  bed_set(&b, "service", "s3");
  bed_set(&b, "region", "eu-west-1");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 2);
  CHECK(strstr(server.seen[0], "Credential=AKBASE/"));
  CHECK(strstr(server.seen[0], "/us-west-2/sts/"));
  CHECK(strstr(server.seen[1], "Credential=ASIA1/"));
  CHECK(strstr(server.seen[1], "X-Amz-Security-Token: session-token-1\r\n"));
  CHECK(strstr(bed_sent(&b, id, "https://x/"), "Credential=ASIA2/"));
  bed_close(&b);
}

static void test_aws_login_can_be_abandoned(void) {
  bed b;
  cq_identity *id;
  bed_open(&b);
  server_set(0, 900);
  assume_params(&b, "arn:aws:iam::9:role/yes");
  CHECK_INT(cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, NULL), CQ_OK);
  CHECK_INT(id->ops->ready(id, NULL), CQ_BUSY);
  bed_close(&b);
}

static void test_auth_survives_failing_allocations(void) {
  int failed = 0;
  clean_env();
  for (long n = 1; n < 400; n++) {
    bed b;
    cq_identity *id = NULL;
    cq_error err = {0, ""};
    int rc;
    bed_open(&b);
    server_set(0, 900);
    bed_set(&b, "profile", "dev");
    bed_set(&b, "sts_endpoint", server_url(""));
    bed_set(&b, "service", "s3");
    bed_set(&b, "region", "eu-west-1");
    cq_fault_set(n);
    rc = cq_auths_get(b.auths, "aws_sigv4", &b.p, &id, &err);
    if (rc == CQ_OK) rc = bed_ready(&b, id, &err);
    cq_fault_set(0);
    CHECK(rc == CQ_OK || err.text[0]);
    failed += rc != CQ_OK;
    if (rc == CQ_OK)
      CHECK(strstr(bed_sent(&b, id, "https://x/"), "Credential=ASIA"));
    bed_close(&b);
    if (rc == CQ_OK && n > 150) break;
  }
  CHECK(failed > 50);
}

/* ---- schemes of one header --------------------------------------------- */

static void check_fixed(const char *scheme, const char *const *params,
                        const char *want) {
  bed b;
  cq_identity *id = NULL;
  cq_error err = {0, ""};
  bed_open(&b);
  for (; *params; params += 2) bed_set(&b, params[0], params[1]);
  if (cq_auths_get(b.auths, scheme, &b.p, &id, &err)) {
    CHECK(id == NULL);
    CHECK_STR(err.text, want);
  } else {
    CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
    CHECK_INT(id->ops->refused(id), 0);
    CHECK_STR(bed_sent(&b, id, "https://h/x?a=1"), want);
  }
  bed_close(&b);
}

#define FIXED(scheme, want, ...)                                               \
  do {                                                                         \
    const char *const list[] = {__VA_ARGS__};                                  \
    check_fixed(scheme, list, want);                                           \
  } while (0)

static void test_auth_sends_fixed_proofs(void) {
  FIXED("none", "", NULL);
  FIXED("basic",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "username",
        "Aladdin", "password", "open sesame", NULL);
  FIXED("basic", "Authorization: Basic a2V5Og==", "username", "key", NULL);
  FIXED("bearer", "Authorization: Bearer abc", "token", "abc", NULL);
  FIXED("bearer", "X-T: Token abc", "token", "abc", "prefix", "Token", "header",
        "X-T", NULL);
  FIXED("api_key", "X-Key: abc", "key", "abc", "header", "X-Key", NULL);
  FIXED("api_key", "Authorization: GenieKey abc", "key", "abc", "header",
        "Authorization", "prefix", "GenieKey", NULL);
  FIXED("api_key", "https://h/x?a=1&k%20y=a%26b%2Fc", "key", "a&b/c", "query",
        "k y", NULL);
  FIXED("api_key", "Cookie: sid=abc", "key", "abc", "cookie", "sid", NULL);
}

static void test_auth_refuses_bad_parameters(void) {
  FIXED("bearer", "auth bearer: parameter is missing: token", NULL);
  FIXED("bearer",
        "auth bearer: unknown parameter: tokn\nhint: did you mean "
        "token?",
        "tokn", "x", NULL);
  FIXED("bearer",
        "request: header Authorization: value holds a control "
        "character",
        "token", "abc\r\nX-Evil: 1", NULL);
  FIXED("api_key",
        "auth api_key: header, query or cookie must name where the key goes",
        "key", "abc", NULL);
  FIXED("api_key",
        "auth api_key: both header and cookie: give the key one place", "key",
        "abc", "cookie", "n", "header", "X", NULL);
  FIXED("api_key", "auth api_key: name or key cannot be in a cookie: n", "key",
        "a; b=c", "cookie", "n", NULL);
  FIXED("basic", "auth basic: username holds a colon", "username", "a:b", NULL);
  FIXED("kerberos", "auth: unknown scheme: kerberos", NULL);
}

static void test_auth_redacts_what_it_holds(void) {
  bed b;
  cq_identity *id;
  char text[] = "tok-1234 and tok-1234x, dG9rLXB3OnNlc2FtZQ== or sesame; abc";
  bed_open(&b);
  bed_set(&b, "token", "tok-1234");
  CHECK_INT(cq_auths_get(b.auths, "bearer", &b.p, &id, NULL), CQ_OK);
  b.p.n = 0;
  bed_set(&b, "username", "tok-pw");
  bed_set(&b, "password", "sesame");
  CHECK_INT(cq_auths_get(b.auths, "basic", &b.p, &id, NULL), CQ_OK);
  b.p.n = 0;
  bed_set(&b, "token", "abc"); /* too short to be told from a word */
  CHECK_INT(cq_auths_get(b.auths, "bearer", &b.p, &id, NULL), CQ_OK);
  cq_auths_redact(b.auths, text);
  CHECK_STR(text, "*** and ***x, *** or ***; abc");
  bed_close(&b);
}

/* The key travels in the sent URL; what others see of it does not. */
static void test_auth_hides_keys_in_queries(void) {
  bed b;
  cq_identity *id;
  cq_http_request r;
  cq_signer *s;
  cq_transfer *t;
  bed_open(&b);
  server_set(0, 0);
  bed_set(&b, "key", "secretkey");
  bed_set(&b, "query", "k");
  CHECK_INT(cq_auths_get(b.auths, "api_key", &b.p, &id, NULL), CQ_OK);
  CHECK_INT(id->ops->signer(id, &b.p, &s, NULL), CQ_OK);
  memset(&r, 0, sizeof r);
  r.url = server_url("/q");
  r.signer = s;
  CHECK_INT(cq_http_submit(b.http, &r, &t, NULL), CQ_OK);
  cq_signer_unref(s);
  while (cq_transfer_state(t) == CQ_T_WAITING) cq_http_wait(b.http, 100);
  CHECK_STR(cq_transfer_head(t).url, server_url("/q"));
  CHECK(strncmp(server.seen[0], "GET /q?k=secretkey HTTP", 23) == 0);
  cq_transfer_free(t);
  bed_close(&b);
}

/* ---- GitHub App -------------------------------------------------------- */

static char *make_pem(EVP_PKEY **key) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *p, *pem;
  long n;
  *key = EVP_RSA_gen(2048);
  PEM_write_bio_PrivateKey_traditional(bio, *key, NULL, NULL, 0, NULL, NULL);
  n = BIO_get_mem_data(bio, &p);
  pem = cq_strndup(p, (size_t)n);
  BIO_free(bio);
  return pem;
}

/* Checks the token in a request with the key's public half. */
static void check_jwt(const char *request, EVP_PKEY *key, int ahead) {
  long long now = (long long)time(NULL) + ahead;
  const char *p = strstr(request, "Authorization: Bearer "), *dot, *end;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  cq_buf sig, claims;
  long long iat = 0, exp = 0;
  cq_buf_init(&sig, 4096);
  cq_buf_init(&claims, 4096);
  CHECK(p != NULL);
  if (p) {
    p += 22;
    end = strstr(p, "\r\n");
    for (dot = end; *dot != '.'; dot--)
      ;
    CHECK_INT(cq_base64_decode(&sig, dot + 1, (size_t)(end - dot - 1)), CQ_OK);
    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key);
    CHECK_INT(EVP_DigestVerify(ctx, (unsigned char *)sig.data, sig.len,
                               (const unsigned char *)p, (size_t)(dot - p)),
              1);
    const char *mid = strchr(p, '.') + 1;
    CHECK_INT(cq_base64_decode(&claims, mid, (size_t)(dot - mid)), CQ_OK);
    CHECK_INT(sscanf(claims.data, "{\"iat\":%lld,\"exp\":%lld,\"iss\":\"123\"}",
                     &iat, &exp),
              2);
    CHECK(iat <= now - 58 && exp > now);
    CHECK(exp - now <= 600);
  }
  EVP_MD_CTX_free(ctx);
  cq_buf_clear(&sig);
  cq_buf_clear(&claims);
}

static void test_github_app_logs_in(void) {
  bed b;
  cq_identity *id;
  cq_error err = {0, ""};
  EVP_PKEY *key;
  char *pem = make_pem(&key), path[200];
  char text[] = "x ghs_token_2 y";
  bed_open(&b);
  server_set(0, 3600);
  write_file("app.pem", pem);
  snprintf(path, sizeof path, "%s/app.pem", folder);
  bed_set(&b, "app_id", "");
  b.values[0] = cq_value_int(123);
  bed_set(&b, "private_key", path);
  bed_set(&b, "org", "acme");
  bed_set(&b, "url", server_url("/api/"));
  CHECK_INT(cq_auths_get(b.auths, "github_app", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 2);
  check_jwt(server.seen[0], key, 0);
  check_jwt(server.seen[1], key, 0);
  CHECK_STR(bed_sent(&b, id, "https://h/"),
            "Authorization: Bearer ghs_token_2");
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 2);
  cq_auths_redact(b.auths, text);
  CHECK_STR(text, "x *** y");
  bed_close(&b);

  /* the installation given, the key as text with \n written out */
  bed_open(&b);
  server_set(0, 30); /* so little is renewed at once, in the background */
  cq_buf one;
  cq_buf_init(&one, 65536);
  for (char *p = pem; *p; p++)
    if (*p == '\n')
      cq_buf_str(&one, "\\n");
    else
      cq_buf_byte(&one, *p);
  bed_set(&b, "app_id", "123");
  bed_set(&b, "private_key", one.data);
  bed_set(&b, "installation_id", "77");
  bed_set(&b, "url", server_url("/api"));
  CHECK_INT(cq_auths_get(b.auths, "github_app", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 1);
  CHECK_INT(id->ops->ready(id, &err), CQ_OK);
  for (int i = 0; i < 100 && server_count() < 2; i++) cq_http_wait(b.http, 20);
  CHECK_INT(server_count(), 2);
  cq_buf_clear(&one);
  bed_close(&b);
  cq_free(pem);
  EVP_PKEY_free(key);
}

/* A login that was refused for our clock is signed anew by the server's, and by
 * that its token lasts. */
static void test_github_app_goes_by_the_servers_clock(void) {
  bed b;
  cq_identity *id;
  cq_error err = {0, ""};
  EVP_PKEY *key;
  char *pem = make_pem(&key);
  bed_open(&b);
  server_set(0, 3600);
  pthread_mutex_lock(&server.lock);
  server.ahead = -7200;
  server.refuse = 1;
  pthread_mutex_unlock(&server.lock);
  bed_set(&b, "app_id", "123");
  bed_set(&b, "private_key", pem);
  bed_set(&b, "installation_id", "77");
  bed_set(&b, "url", server_url("/api"));
  CHECK_INT(cq_auths_get(b.auths, "github_app", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_STR(err.text, "");
  CHECK_INT(server_count(), 2);
  check_jwt(server.seen[0], key, 0);
  check_jwt(server.seen[1], key, -7200);
  CHECK_INT(bed_ready(&b, id, &err), CQ_OK);
  CHECK_INT(server_count(), 2);
  bed_close(&b);
  cq_free(pem);
  EVP_PKEY_free(key);
}

static void test_github_app_tells_what_is_wrong(void) {
  bed b;
  cq_identity *id;
  cq_error err = {0, ""};
  EVP_PKEY *key;
  char *pem = make_pem(&key);
  bed_open(&b);
  server_set(0, 3600);
  bed_set(&b, "app_id", "123");
  bed_set(&b, "private_key", "-----BEGIN RSA PRIVATE KEY-----\nxx\n");
  CHECK_INT(cq_auths_get(b.auths, "github_app", &b.p, &id, &err), CQ_AUTH);
  CHECK_STR(err.text, "auth github_app: parameter is missing: installation_id "
                      "or org");
  bed_set(&b, "org", "nobody");
  CHECK_INT(cq_auths_get(b.auths, "github_app", &b.p, &id, &err), CQ_AUTH);
  CHECK(strstr(err.text, "private_key is not an RSA key in PEM form"));
  bed_set(&b, "private_key", pem);
  bed_set(&b, "url", server_url("/api"));
  CHECK_INT(cq_auths_get(b.auths, "github_app", &b.p, &id, &err), CQ_OK);
  CHECK_INT(bed_ready(&b, id, &err), CQ_AUTH);
  CHECK_STR(err.text, "auth github_app: app is not installed in: nobody");
  bed_close(&b);
  cq_free(pem);
  EVP_PKEY_free(key);
}

int main(void) {
  char path[200];
  const char *const files[] = {"config", "credentials", "app.pem"};
  signal(SIGPIPE, SIG_IGN);
  if (!mkdtemp(folder)) return 2;
  server_start();
  RUN(test_sigv4_agrees_with_the_suite);
  RUN(test_sigv4_agrees_with_s3s_examples);
  RUN(test_sigv4_presigns_as_s3s_example);
  RUN(test_sigv4_encodes_paths_as_services_do);
  RUN(test_aws_finds_credentials_in_order);
  RUN(test_aws_follows_profiles);
  RUN(test_aws_knows_every_source);
  RUN(test_aws_signs_with_given_keys);
  RUN(test_aws_assumes_a_role);
  RUN(test_aws_renews_before_the_end);
  RUN(test_aws_tells_why_a_role_is_refused);
  RUN(test_aws_assumes_roles_in_a_row);
  RUN(test_aws_login_can_be_abandoned);
  RUN(test_auth_survives_failing_allocations);
  RUN(test_auth_sends_fixed_proofs);
  RUN(test_auth_refuses_bad_parameters);
  RUN(test_auth_redacts_what_it_holds);
  RUN(test_auth_hides_keys_in_queries);
  RUN(test_github_app_logs_in);
  RUN(test_github_app_goes_by_the_servers_clock);
  RUN(test_github_app_tells_what_is_wrong);
  __atomic_store_n(&server.stop, 1, __ATOMIC_RELAXED);
  pthread_join(server.thread, NULL);
  close(server.fd);
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, files[i]);
    unlink(path);
  }
  rmdir(folder);
  return test_done();
}
