// The launcher: the first part of the one file. It passes a call of a kubelet or of a CNI runtime on to the agent that
// runs on this host, and prints the answer: in a tenth of the time in which the program starts. Where no agent answers,
// and for all other commands, it starts the program, by the script unpack.sh, which is a part of it.
//
// A call that comes before the agent, as when a node boots, is kept waiting here: a launcher that waits takes some
// 100 KB, and the program would take 15 MB, and to start, a quarter of a second of a processor, which the agent needs.
//
// It is linked statically, against musl: the dynamic linker alone would take as long as the rest.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// The script that starts the program, as text.
extern const char script[];
__asm__(".section .rodata\n.global script\nscript: .incbin \"" SCRIPT_FILE "\"\n.byte 0\n.previous");

// As lib/cni/config_limit.ts has them: the longest configuration, and how long a runtime may take to write it.
enum { CONFIG_LIMIT = 1024 * 1024, CONFIG_MS = 10000 };
// How often an agent that is not there is looked for, and how long one that hangs is asked for a connection.
enum { LOOK_MS = 100, CONNECT_MS = 1000 };
// How long a reader may take to make room for more.
enum { PRINT_MS = 10000 };

/** Returns environment variable `name`, or `fallback` if it is empty or not set. */
static const char *setting(const char *name, const char *fallback) {
  const char *value = getenv(name);
  return value && *value ? value : fallback;
}

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

/** Ends with a message and the reason in errno. CNI runtimes read it as JSON, from standard output; they log standard
 *  error, and ask for STATUS every few seconds. */
static _Noreturn void fail(const char *what) {
  const char *command = setting("CNI_COMMAND", "");
  if (!is(command, "STATUS")) fprintf(stderr, "k8contivnet: %s: %s\n", what, strerror(errno));
  const char *error = "{\"cniVersion\":\"" CNI_VERSION "\",\"code\":5,\"msg\":\"%s: %s\"}\n";
  if (*command) printf(error, what, strerror(errno));
  fflush(stdout);
  _exit(1);
}

// ---- bytes and time

struct bytes {
  char *data; // NUL follows them
  size_t length, room;
};

static void append(struct bytes *to, const void *data, size_t length) {
  if (to->length + length >= to->room) {
    to->room = 2 * (to->length + length) + 4096;
    to->data = realloc(to->data, to->room);
    if (!to->data) fail("no memory");
  }
  memcpy(to->data + to->length, data, length);
  to->length += length;
  to->data[to->length] = '\0';
}

static void append_text(struct bytes *to, const char *text) { append(to, text, strlen(text)); }

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** Waits until `file` is ready; returns false from `end_ms` on. */
static bool is_ready(int file, short events, int64_t end_ms) {
  for (;;) {
    int64_t left = end_ms - now_ms();
    if (left <= 0) return false;
    struct pollfd one = {file, events, 0};
    int ready = poll(&one, 1, (int)left);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

/** Reads what there is; returns false at the end and after an error, with errno 0 or the error. */
static bool read_some(int file, struct bytes *to) {
  char part[65536];
  ssize_t count;
  while ((count = read(file, part, sizeof part)) < 0 && errno == EINTR) {}
  if (count > 0) append(to, part, (size_t)count);
  if (count == 0) errno = 0;
  return count > 0;
}

/** Writes all to an output of this process; returns false if nobody reads it. */
static bool print(int file, const char *data, size_t length) {
  while (length > 0) {
    ssize_t count = write(file, data, length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN && is_ready(file, POLLOUT, now_ms() + PRINT_MS)) continue;
    if (count < 0) return false;
    data += count;
    length -= (size_t)count;
  }
  return true;
}

// ---- a request to the agent

/** Why a request has no answer. `DECLINED`: it was not executed, and the program has to ask. `LOST`: it may have been
 *  executed, and there will be none. `LATE`: the same, and the agent may still work on it. */
enum outcome { DECLINED, LOST, LATE };

/** Connects to the agent; returns -1 if none is there, with errno, or if it accepts nothing until `end_ms`. */
static int connect_to(const char *path, int64_t end_ms) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  errno = ENAMETOOLONG;
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file < 0) return -1;
  while (connect(file, (struct sockaddr *)&address, sizeof address) < 0) {
    int why = errno; // EAGAIN: the queue of an agent that hangs is full
    if ((why != EAGAIN && why != EINTR) || now_ms() >= end_ms) {
      close(file);
      errno = why;
      return -1;
    }
    poll(NULL, 0, 10);
  }
  return file;
}

/** Sends all; returns false if the agent has closed the connection, or did not take all until `end_ms`. */
static bool send_all(int file, const struct bytes *request, int64_t end_ms) {
  for (size_t sent = 0; sent < request->length;) {
    ssize_t count = send(file, request->data + sent, request->length - sent, MSG_NOSIGNAL);
    if (count >= 0) sent += (size_t)count;
    else if (errno == EAGAIN && is_ready(file, POLLOUT, end_ms)) continue;
    else if (errno != EINTR) return false;
  }
  return true;
}

/** Returns the body of a whole HTTP response, and sets its status; NULL while something is missing. */
static const char *body_of(const struct bytes *response, int *status) {
  static const char start[] = "HTTP/1.1 ";
  const char *head_end = response->data ? strstr(response->data, "\r\n\r\n") : NULL;
  if (!head_end || strncmp(response->data, start, strlen(start)) != 0) return NULL;
  const char *length = strcasestr(response->data, "\r\ncontent-length:");
  const char *body = head_end + 4;
  size_t expected = length && length < head_end ? strtoul(length + 17, NULL, 10) : 0;
  if (response->length - (size_t)(body - response->data) < expected) return NULL;
  *status = atoi(response->data + strlen(start));
  return body;
}

/** Prints an answer, `EXIT OUT ERR\n` and then so many bytes for standard output and standard error, and ends; returns
 *  if it is none. */
static void print_answer(const char *body, const char *end) {
  char *rest;
  long code = strtol(body, &rest, 10);
  size_t out = strtoul(rest, &rest, 10), err = strtoul(rest, &rest, 10);
  const char *words = rest + 1;
  if (*rest != '\n' || out > (size_t)(end - words) || err != (size_t)(end - words) - out) return;
  if (!print(1, words, out)) _exit(1);
  print(2, words + out, err);
  _exit((int)code);
}

/** Sends a request, waits until `end_ms`, and ends with the answer; returns why there is none. */
static enum outcome ask(int file, const char *path, const struct bytes *body, int64_t end_ms) {
  static const char format[] =
    "POST %s HTTP/1.1\r\nHost: k8contivnet\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n";
  char head[200];
  snprintf(head, sizeof head, format, path, body->length);
  struct bytes request = {0}, response = {0};
  append_text(&request, head);
  append(&request, body->data, body->length);
  // An agent that has not got all of it executes nothing.
  if (!send_all(file, &request, end_ms)) return now_ms() >= end_ms ? LATE : DECLINED;
  while (is_ready(file, POLLIN, end_ms)) {
    int status = 0;
    bool is_open = read_some(file, &response) || errno == EAGAIN;
    const char *answer = body_of(&response, &status);
    if (answer && status == 200) print_answer(answer, response.data + response.length);
    if (answer && status != 200) return DECLINED;
    if (answer || !is_open) return LOST;
  }
  return LATE;
}

// ---- an agent that is not there yet

/** Reports whether the last agent of this host had this socket: then it may come back. */
static bool was_here(const char *path) {
  if (access(path, F_OK) == 0) return true; // it was killed
  char name[4096];
  const char *folder = setting("K8CONTIVNET_STATE_DIR", "/var/lib/k8contivnet");
  if (snprintf(name, sizeof name, "%s/socket", folder) >= (int)sizeof name) return false;
  int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  struct bytes last = {0};
  read_some(file, &last);
  close(file);
  return last.data && is(strtok(last.data, "\n") ?: "", path);
}

/** Waits up to `wait_s` seconds for an agent that was not there, for the reason in errno, if it may come back; returns
 *  the connection, or -1. The program is told how long this has waited. */
static int await_agent(const char *path, int wait_s) {
  bool is_away = errno == ENOENT || errno == ECONNREFUSED;
  if (!is_away || wait_s <= 0 || !was_here(path)) return -1;
  int64_t start_ms = now_ms(), end_ms = start_ms + wait_s * 1000;
  int file = -1;
  while (file < 0 && now_ms() < end_ms) {
    poll(NULL, 0, LOOK_MS);
    file = connect_to(path, end_ms);
  }
  char seconds[24];
  snprintf(seconds, sizeof seconds, "%d", (int)((now_ms() - start_ms + 500) / 1000));
  setenv("K8CONTIVNET_WAITED", seconds, 1);
  return file;
}

/** Returns the number of seconds that `text` is, of at most four digits; 0 if it is none. */
static int seconds_of(const char *text) {
  size_t digits = strspn(text, "0123456789");
  return digits == strlen(text) && digits <= 4 && *text != '0' ? atoi(text) : 0;
}

// ---- calls

/** Passes a kubelet's call on, if `argv` is one; returns if the program has to answer it. */
static void pass_pod_call(const char *socket, char **argv) {
  const char *verb = argv[0];
  bool is_setup = is(verb, "setup"), is_status = is(verb, "status");
  if (!is_setup && !is_status && !is(verb, "teardown")) return;
  int limit_s = is_setup ? seconds_of(setting("K8CONTIVNET_SETUP_SECONDS", "60")) : 5;
  if (limit_s == 0) return; // the program reads more forms
  int file = connect_to(socket, now_ms() + CONNECT_MS);
  if (file < 0) file = await_agent(socket, is_status ? 0 : limit_s - 1);
  if (file < 0) return;
  struct bytes words = {0};
  for (; *argv; argv++) append(&words, *argv, strlen(*argv) + 1);
  int answer_s = is_setup && limit_s < 15 ? 15 : limit_s;
  enum outcome outcome = ask(file, "/v1/launcher/pod", &words, now_ms() + answer_s * 1000);
  close(file);
  if (outcome != LATE) return;
  if (is_status) _exit(0); // a kubelet reads all output as JSON
  if (!is_setup) return; // the program leaves a note for the agent
  static const char late[] = "did not answer in %d000 ms; check its log, and whether Open vSwitch is running";
  fprintf(stderr, "k8contivnet: agent at %s ", socket);
  fprintf(stderr, late, answer_s);
  fputc('\n', stderr);
  _exit(6);
}

/** Reads the configuration from standard input; returns false if that fails. `is_whole` says whether it has ended. */
static bool read_config(struct bytes *config, bool *is_whole) {
  int64_t end_ms = now_ms() + CONFIG_MS;
  *is_whole = false;
  append(config, "", 0);
  while (config->length <= CONFIG_LIMIT && is_ready(0, POLLIN, end_ms)) {
    if (read_some(0, config)) continue;
    *is_whole = errno == 0;
    if (errno != 0 && errno != EAGAIN) return false;
    if (*is_whole) break;
  }
  return true;
}

/** Makes `config` the standard input of the program. */
static void give_back(const struct bytes *config) {
  int file = memfd_create("configuration", 0);
  bool is_kept = file >= 0 && print(file, config->data, config->length) && lseek(file, 0, SEEK_SET) == 0;
  if (!is_kept || dup2(file, 0) < 0) fail("the configuration cannot be kept");
  if (file > 0) close(file);
}

/** Passes the call of a CNI runtime on; returns if the program has to answer it. */
static void pass_cni_call(const char *socket, const char *command) {
  bool is_add = is(command, "ADD"), is_status = is(command, "STATUS");
  if (!is_add && !is_status && !is(command, "DEL") && !is(command, "CHECK") && !is(command, "GC")) return;
  // Before the configuration is there: the agent accepts it meanwhile.
  int file = connect_to(socket, now_ms() + CONNECT_MS), why = errno;
  struct bytes config = {0}, call = {0};
  bool is_whole;
  if (!read_config(&config, &is_whole)) return;
  if (config.length > CONFIG_LIMIT) return give_back(&config);
  // A configuration may name another agent: that one is not the one to wait for.
  bool may_name = memmem(config.data, config.length, "socket", 6) || memmem(config.data, config.length, "\\u", 2);
  int limit_s = is_add ? seconds_of(setting("K8CONTIVNET_SETUP_SECONDS", "20")) : 5;
  errno = why;
  if (file < 0) file = await_agent(socket, is_status || may_name ? 0 : limit_s - 1);
  if (file >= 0) {
    for (char **one = environ; *one; one++) {
      if (strncmp(*one, "CNI_", 4) == 0) append(&call, *one, strlen(*one) + 1);
    }
    append(&call, "", 1);
    append(&call, config.data, config.length);
    const char *path = is_whole ? "/v1/launcher/cni" : "/v1/launcher/cni?endless";
    enum outcome outcome = ask(file, path, &call, now_ms() + (is_status ? 15 : 30) * 1000);
    if (outcome != DECLINED) setenv("K8CONTIVNET_RETRY", "1", 1);
    close(file);
  }
  give_back(&config);
}

/** Starts the program. */
static _Noreturn void start_program(int argc, char **argv) {
  // What executed this file named it so, as a shell's $0: a path, which leads to the rest of this file.
  const char *name = (const char *)getauxval(AT_EXECFN);
  // A shell in a folder that was deleted complains about it, unless PWD leads there.
  setenv("PWD", "/proc/self/cwd", 1);
  char **words = calloc((size_t)argc + 4, sizeof *words);
  if (!words) fail("no memory");
  words[0] = "sh";
  words[1] = "-c";
  words[2] = (char *)script;
  words[3] = (char *)(name ? name : argv[0]);
  for (int n = 1; n < argc; n++) words[n + 3] = argv[n];
  execv("/bin/sh", words);
  fail("/bin/sh cannot be started");
}

/** Reports whether standard input, output and error are open: else a connection would be taken for one of them. */
static bool has_standard_files(void) {
  return fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0;
}

int main(int argc, char **argv) {
  const char *command = setting("CNI_COMMAND", "");
  // podman asks each plugin for its versions at each command.
  if (is(command, "VERSION")) return print(1, CNI_VERSIONS "\n", strlen(CNI_VERSIONS "\n")) ? 0 : 1;
  unsetenv("K8CONTIVNET_RETRY");
  unsetenv("K8CONTIVNET_WAITED");
  const char *socket = setting("K8CONTIVNET_SOCKET", "/run/k8contivnet/agent.sock");
  bool asks = !is(setting("K8CONTIVNET_DOOR", ""), "none") && has_standard_files();
  if (asks && *command) pass_cni_call(socket, command);
  else if (asks && argc == 5) pass_pod_call(socket, argv + 1);
  start_program(argc, argv);
}
