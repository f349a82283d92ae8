/* The launcher: the first process of a trial's main container, before the trainer.
 *
 * It exists so that metrics can be collected without a webhook, a shell, a shared process namespace or a look into a registry: it runs
 * the trainer with exactly the arguments of the template, hands on signals and the exit code, copies what the trainer prints to where
 * it would have gone and into a file for the collector, stops the whole trainer when an early stopping rule says so, and ends only
 * when the collector has everything. It must work in any image, so it is one static file and reads nothing of the image.
 *
 *   launcher --install FOLDER                          put a copy of itself, and the file for pushed metrics, into the volume
 *   launcher --folder FOLDER [OPTIONS] -- COMMAND …    run a command
 *
 * What is in the folder, and who writes it (docs/collection.md):
 *   run         launcher    names this run of the container
 *   alive       launcher    locked while it lives
 *   output.log  launcher    what the trainer prints, whole lines of its two streams
 *   ended       launcher    JSON; the trainer has ended and everything it printed is in output.log
 *   heartbeat   collector   how much of output.log it needs no longer; written again and again while it lives
 *   stop        collector   the run that is to be stopped early
 *   collected   collector   the run of which everything is in the store
 *
 * Nothing that happens to the folder or the collector may change what becomes of the trainer.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (64 * 1024)
#define PUNCHED_AT_LEAST (1 << 20)
#define MOST_PROCESSES 65536
#define MOST_SHARED 8
#define LONGEST_PATH 4096
#define END_LENGTH 512

enum { CANNOT_RUN = 126, NOT_FOUND = 127, WRONG_USE = 64, SIGNALLED = 128 };

/* Milliseconds. */
enum { TICK = 50, SECOND = 1000, BACK_PRESSURE = 5000, QUICK = 5, QUICK_FOR = 3000 };

typedef struct {
    const char *folder;
    const char *shared[MOST_SHARED];
    int shared_count;
    bool keeps_output;
    long long grace;      /* ms that a pod has to end, from TERM on; 0 for no limit */
    long long stop_grace; /* ms between TERM and KILL of an early stop */
    long long patience;   /* ms without a sign of life from the collector */
    long long most_bytes; /* of output that waits for the collector */
} Options;

/* One of the trainer's two streams on its way. */
typedef struct {
    int from, to;
    char tail[CHUNK]; /* the beginning of a line that has no end yet */
    size_t held;
    pthread_t thread;
} Stream;

static Options options = {.stop_grace = 30000, .patience = 60000, .most_bytes = 256LL << 20};
static char run_id[64];

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;
static long long log_size;         /* guarded by log_lock */
static const Stream *line_open_by; /* likewise: whose line was written without its end */
static long long missing;          /* likewise: bytes left out since the last that was kept */
static long long missing_in_all;   /* likewise */
static atomic_llong consumed;      /* the collector needs nothing before */
static atomic_llong given_up_at = -1; /* where the collector stood when waiting for it was given up */
static atomic_bool trainer_ended;
static atomic_int streams_open;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void pause_for(long long milliseconds) {
    struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* Says something among the trainer's own lines; in one write, so that it is a line of its own. */
static void say(const char *format, ...) {
    char text[1024];
    int length = snprintf(text, sizeof text, "katib: ");
    va_list arguments;
    va_start(arguments, format);
    length += vsnprintf(text + length, sizeof text - length - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof text - 2) length = sizeof text - 2;
    text[length++] = '\n';
    if (write(STDERR_FILENO, text, length) < 0) return; /* nobody listens */
}

static void path_in(char *path, const char *name) { snprintf(path, LONGEST_PATH, "%s/%s", options.folder, name); }

/* ---- small files -------------------------------------------------------------------------------------------------- */

/* Writes a file that others see whole or not at all. */
static bool put(const char *name, const char *text) {
    char path[LONGEST_PATH], fresh[LONGEST_PATH + 8];
    path_in(path, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) return false;
    fchmod(file, 0644); /* whatever the umask: the collector is another user */
    size_t length = strlen(text);
    bool whole = write(file, text, length) == (ssize_t)length;
    close(file);
    if (whole && rename(fresh, path) == 0) return true;
    unlink(fresh);
    return false;
}

/* Takes the place of a file on the disk, so that it can be written when that is full. */
static bool reserve(const char *name) {
    char path[LONGEST_PATH], blanks[END_LENGTH + 1];
    path_in(path, name);
    snprintf(blanks, sizeof blanks, "%*s", END_LENGTH, "");
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) return false;
    fchmod(file, 0644);
    bool whole = write(file, blanks, END_LENGTH) == END_LENGTH;
    close(file);
    return whole;
}

/* Writes a file whose place is taken under another name, and gives it its own. */
static bool put_reserved(const char *reserved, const char *name, const char *text) {
    char from[LONGEST_PATH], path[LONGEST_PATH];
    path_in(from, reserved);
    path_in(path, name);
    int file = open(from, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return false;
    bool whole = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    close(file);
    return whole && rename(from, path) == 0;
}

/* Holds a lock for as long as this process lives: so the collector knows of its end at once, however it ends. */
static void hold(void) {
    char path[LONGEST_PATH];
    path_in(path, "alive");
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) return;
    fchmod(file, 0644);
    flock(file, LOCK_EX | LOCK_NB);
}

/* Returns the length of what a small file says, -1 if it is not there. */
static int get(const char *name, char *text, size_t most, struct stat *found) {
    char path[LONGEST_PATH];
    path_in(path, name);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return -1;
    ssize_t length = read(file, text, most - 1);
    if (found) fstat(file, found);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    return length > 0 ? (int)length : 0;
}

/* Whether a file names this run. */
static bool names_this_run(const char *name) {
    char text[sizeof run_id + 2];
    if (get(name, text, sizeof text, NULL) < 0) return false;
    text[strcspn(text, "\n")] = '\0';
    return strcmp(text, run_id) == 0;
}

/* Returns whether the collector has given a sign of life since the last call, and learns how far it has read. */
static bool heartbeat(void) {
    static struct timespec last;
    static long long last_read = -1;
    char text[32];
    struct stat found;
    if (get("heartbeat", text, sizeof text, &found) < 0) return false;
    long long read_up_to = strtoll(text, NULL, 10);
    bool alive =
        found.st_mtim.tv_sec != last.tv_sec || found.st_mtim.tv_nsec != last.tv_nsec || read_up_to != last_read;
    last = found.st_mtim;
    last_read = read_up_to;
    if (read_up_to > atomic_load(&consumed)) atomic_store(&consumed, read_up_to);
    return alive;
}

/* ---- the trainer's output ----------------------------------------------------------------------------------------- */

static bool write_whole(int file, const char *data, size_t length) {
    while (length > 0) {
        ssize_t written = write(file, data, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        data += written;
        length -= written;
    }
    return true;
}

/* Waits for the collector while it gets on; returns whether there is room for more of its copy. */
static bool has_room(void) {
    long long since = now(), seen = atomic_load(&consumed);
    if (log_size - seen < options.most_bytes) return true;
    if (atomic_load(&given_up_at) == seen) return false;
    while (now() - since < BACK_PRESSURE) {
        pause_for(10);
        heartbeat();
        long long read_up_to = atomic_load(&consumed);
        if (log_size - read_up_to < options.most_bytes) return true;
        if (read_up_to != seen) since = now();
        seen = read_up_to;
    }
    atomic_store(&given_up_at, seen);
    return false;
}

/* Adds to the collector's copy; what does not fit is left out, and a line says so once there is room again. */
static void keep(const Stream *stream, const char *first, size_t first_length, const char *second,
                 size_t second_length, bool ends_line) {
    size_t length = first_length + second_length;
    char said[128] = "";
    pthread_mutex_lock(&log_lock);
    if (!has_room()) {
        missing += length;
        missing_in_all += length;
        line_open_by = NULL;
        pthread_mutex_unlock(&log_lock);
        return;
    }
    if (missing)
        snprintf(said, sizeof said, "\nkatib: %lld bytes of output are missing here: the volume was full\n", missing);
    else if (line_open_by && line_open_by != stream)
        strcpy(said, "\n");
    struct iovec parts[3] = {
        {said, strlen(said)}, {(char *)first, first_length}, {(char *)second, second_length}};
    ssize_t wanted = parts[0].iov_len + length;
    ssize_t written = writev(log_file, parts, 3);
    if (written > 0) log_size += written;
    if (written == wanted) {
        missing = 0;
        line_open_by = ends_line ? NULL : stream;
    } else {
        ssize_t kept = written - (ssize_t)parts[0].iov_len;
        size_t lost = kept > 0 ? length - kept : length;
        missing += lost;
        missing_in_all += lost;
        line_open_by = NULL;
    }
    pthread_mutex_unlock(&log_lock);
}

/* Takes what was read apart into whole lines and the beginning of the next, so that the streams' lines do not mix. */
static void keep_lines(Stream *stream, const char *data, size_t length) {
    size_t whole = length;
    while (whole > 0 && data[whole - 1] != '\n' && data[whole - 1] != '\r') whole--;
    if (whole > 0) {
        keep(stream, stream->tail, stream->held, data, whole, true);
        stream->held = 0;
    } else if (stream->held + length > sizeof stream->tail) {
        keep(stream, stream->tail, stream->held, data, length, false);
        stream->held = 0;
        return;
    }
    memcpy(stream->tail + stream->held, data + whole, length - whole);
    stream->held += length - whole;
}

static void *copy(void *argument) {
    Stream *stream = argument;
    char *data = malloc(CHUNK);
    bool heard = true;
    while (data) {
        struct pollfd waiting = {stream->from, POLLIN, 0};
        int ready = poll(&waiting, 1, TICK);
        if (ready < 0 && errno != EINTR) break;
        if (ready <= 0) {
            /* Someone who is not the trainer's may hold the other end for ever. */
            if (atomic_load(&trainer_ended)) break;
            continue;
        }
        ssize_t length = read(stream->from, data, CHUNK);
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) break;
        if (log_file >= 0) keep_lines(stream, data, length);
        if (heard) heard = write_whole(stream->to, data, length);
    }
    if (log_file >= 0 && stream->held) keep(stream, stream->tail, stream->held, "", 0, false);
    close(stream->from);
    atomic_fetch_sub(&streams_open, 1);
    return NULL;
}

/* Opens the collector's copy, which goes on where an earlier run of this container left it. */
static void open_log(void) {
    char path[LONGEST_PATH];
    path_in(path, "output.log");
    log_file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (log_file < 0) {
        say("the output is not collected: %s: %s", path, strerror(errno));
        return;
    }
    fchmod(log_file, 0644);
    log_size = lseek(log_file, 0, SEEK_END);
    char last = '\n';
    if (log_size > 0 && pread(log_file, &last, 1, log_size - 1) == 1 && last != '\n')
        if (write(log_file, "\n", 1) == 1) log_size++;
}

/* Gives the disk back what the collector has read. */
static void punch(void) {
    static long long punched;
    long long up_to = atomic_load(&consumed) & ~4095LL;
    if (log_file < 0 || up_to - punched < PUNCHED_AT_LEAST) return;
    if (fallocate(log_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, punched, up_to - punched) == 0) punched = up_to;
}

/* ---- files that the trainer writes ----------------------------------------------------------------------------- */

static int make_readable(const char *path, const struct stat *found, int kind, struct FTW *place) {
    (void)place;
    mode_t wanted = found->st_mode | (kind == FTW_D ? 0755 : 0444);
    if ((kind == FTW_F || kind == FTW_D) && (found->st_mode & 07777) != (wanted & 07777)) chmod(path, wanted & 07777);
    return 0;
}

/* Lets the collector, who is another user, read files that the trainer keeps to itself. */
static void share(void) {
    for (int i = 0; i < options.shared_count; i++) nftw(options.shared[i], make_readable, 16, FTW_PHYS | FTW_MOUNT);
}

/* ---- the trainer's processes ----------------------------------------------------------------------------------- */

static pid_t parent_of(const char *pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return -1;
    text[length] = '\0';
    char *after_name = strrchr(text, ')'); /* a name may have anything in it */
    int parent = -1;
    char state = 'Z';
    if (!after_name || sscanf(after_name + 1, " %c %d", &state, &parent) != 2 || state == 'Z') return -1;
    return parent;
}

/* Sends a signal to everything below this process, whatever groups and sessions it made; returns to how many. */
static int signal_all(int number) {
    static pid_t pids[MOST_PROCESSES], parents[MOST_PROCESSES];
    static bool ours[MOST_PROCESSES];
    int count = 0, sent = 0;
    DIR *processes = opendir("/proc");
    if (!processes) return 0;
    for (struct dirent *each; (each = readdir(processes)) && count < MOST_PROCESSES;) {
        if (each->d_name[0] < '1' || each->d_name[0] > '9') continue;
        pid_t parent = parent_of(each->d_name);
        if (parent < 0) continue;
        pids[count] = atoi(each->d_name);
        parents[count] = parent;
        ours[count++] = parent == getpid();
    }
    closedir(processes);
    for (bool found = true; found;) {
        found = false;
        for (int i = 0; i < count; i++)
            for (int j = 0; !ours[i] && j < count; j++)
                if (ours[j] && pids[j] == parents[i]) ours[i] = found = true;
    }
    for (int i = 0; i < count; i++)
        if (ours[i] && (number == 0 || kill(pids[i], number) == 0)) sent++;
    return sent;
}

/* Runs one candidate; returns only if that is not possible. Unlike execvp it never hands a file to a shell. */
static int run_at(const char *path, char **command) {
    execv(path, command);
    return errno;
}

static int run_command(char **command) {
    if (strchr(command[0], '/')) return run_at(command[0], command);
    const char *places = getenv("PATH");
    int reason = ENOENT;
    for (const char *place = places ? places : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; place;) {
        const char *end = strchrnul(place, ':');
        char path[LONGEST_PATH];
        if (end - place + strlen(command[0]) + 2 < sizeof path) {
            snprintf(path, sizeof path, "%.*s%s%s", (int)(end - place), place, end == place ? "" : "/", command[0]);
            int failed = run_at(path, command);
            if (failed != ENOENT && failed != ENOTDIR) reason = failed;
            if (failed != ENOENT && failed != ENOTDIR && failed != EACCES) return failed;
        }
        place = *end ? end + 1 : NULL;
    }
    return reason;
}

/* Starts the trainer; returns 0 and why not when it cannot be. */
static pid_t start(char **command, const sigset_t *mask, int out, int err, int *reason) {
    int told[2];
    if (pipe2(told, O_CLOEXEC) < 0) {
        *reason = errno;
        return 0;
    }
    pid_t launcher = getpid();
    pid_t child = fork();
    if (child == 0) {
        /* Should the launcher be killed, nothing of the container may go on, as when it had none. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != launcher) _exit(CANNOT_RUN);
        if (isatty(STDIN_FILENO))
            setpgid(0, 0);
        else
            setsid();
        if (out >= 0) dup2(out, STDOUT_FILENO);
        if (err >= 0) dup2(err, STDERR_FILENO);
        sigprocmask(SIG_SETMASK, mask, NULL);
        int failed = run_command(command);
        if (write(told[1], &failed, sizeof failed) < 0) _exit(CANNOT_RUN);
        _exit(CANNOT_RUN);
    }
    *reason = child < 0 ? errno : 0;
    close(told[1]);
    if (child > 0 && read(told[0], reason, sizeof *reason) != sizeof *reason) *reason = 0;
    close(told[0]);
    if (*reason && child > 0) waitpid(child, NULL, 0);
    return *reason ? 0 : child;
}

/* ---- from beginning to end ---------------------------------------------------------------------------------------- */

typedef struct {
    pid_t trainer;
    bool ended, stopping, terminated;
    int status;
    long long stop_since, terminated_since;
    int signals;
} State;

static void reap(State *state) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == state->trainer) {
            state->ended = true;
            state->status = status;
        }
}

/* Waits for signals, at most so long, and does what they say. */
static void attend(State *state, int timeout) {
    struct pollfd waiting = {state->signals, POLLIN, 0};
    if (poll(&waiting, 1, timeout) > 0) {
        struct signalfd_siginfo signal;
        while (read(state->signals, &signal, sizeof signal) == sizeof signal) {
            int number = signal.ssi_signo;
            if (number == SIGTERM && !state->terminated) {
                state->terminated = true;
                state->terminated_since = now();
            }
            /* To the trainer alone, as if the launcher were not there: it knows best what its workers must hear. */
            if (number != SIGCHLD && number != SIGPIPE && state->trainer && !state->ended) kill(state->trainer, number);
        }
    }
    reap(state);
}

static bool out_of_time(const State *state) {
    return state->terminated && options.grace && now() - state->terminated_since >= options.grace;
}

static void follow(State *state) {
    long long last_second = 0, last_look = 0;
    while (!state->ended) {
        attend(state, TICK);
        if (!state->stopping && !state->ended && names_this_run("stop")) {
            state->stopping = true;
            state->stop_since = now();
            signal_all(SIGTERM);
        }
        if (state->stopping && now() - state->stop_since >= options.stop_grace) signal_all(SIGKILL);
        if (now() - last_look >= SECOND / 5) {
            last_look = now();
            heartbeat();
            punch();
        }
        if (now() - last_second >= SECOND) {
            last_second = now();
            share();
        }
    }
    /* The end of a container's first process is the end of all; stopped ones have their time to end well. */
    while (state->stopping && now() - state->stop_since < options.stop_grace && !out_of_time(state) && signal_all(0))
        attend(state, QUICK);
    for (int again = 0; again < 100 && signal_all(SIGKILL); again++) attend(state, QUICK);
    atomic_store(&trainer_ended, true);
    while (atomic_load(&streams_open) && !out_of_time(state)) attend(state, 1);
}

/* Waits until the collector has everything, as long as it lives and the pod has time. */
static void wait_for_collector(State *state) {
    long long since = now(), life = since, last_look = 0;
    while (!names_this_run("collected")) {
        if (now() - last_look >= SECOND / 4) {
            last_look = now();
            if (heartbeat()) life = last_look;
        }
        if (now() - life >= options.patience) {
            say("the collector has given no sign of life for %lld s; metrics may be missing", options.patience / 1000);
            return;
        }
        if (out_of_time(state)) return;
        attend(state, now() - since < QUICK_FOR ? QUICK : TICK);
    }
}

static int code_of(int status) { return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status); }

/* Returns whether the collector can know of the end, and so answer. */
static bool tell_end(const State *state, int code, const char *reason) {
    char text[END_LENGTH + 1];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int number = WIFSIGNALED(state->status) ? WTERMSIG(state->status) : 0;
    int length = snprintf(text, sizeof text,
             "{\"run\": \"%s\", \"exit_code\": %d, \"signal\": %d, \"stopped\": %s, \"time\": %lld.%06ld, "
             "\"output_bytes\": %lld, \"missing_bytes\": %lld, \"cannot_run\": \"%s\"}\n",
             run_id, code, state->trainer ? number : 0, state->stopping ? "true" : "false", (long long)t.tv_sec,
             t.tv_nsec / 1000, log_size, missing_in_all, reason);
    snprintf(text + length, sizeof text - length, "%*s", END_LENGTH - length, ""); /* over all of what was reserved */
    if (put_reserved("ended.new", "ended", text)) return true;
    say("cannot tell the collector of the end: %s", strerror(errno));
    return false;
}

static int launch(char **command) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t mask, all;
    sigfillset(&all);
    for (const int *number = (const int[]){SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN,
                                           SIGTTOU, SIGTSTP, 0};
         *number; number++)
        sigdelset(&all, *number);
    sigprocmask(SIG_BLOCK, &all, &mask);
    State state = {.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK)};

    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    snprintf(run_id, sizeof run_id, "%lld-%09ld-%d", (long long)t.tv_sec, t.tv_nsec, getpid());
    bool has_folder = reserve("ended.new") && put("run", run_id);
    if (!has_folder) say("nothing is collected: %s: %s", options.folder, strerror(errno));
    if (has_folder) hold();
    if (has_folder && options.keeps_output) open_log();

    static Stream streams[2] = {{.to = STDOUT_FILENO}, {.to = STDERR_FILENO}};
    int ends[2] = {-1, -1};
    for (int i = 0; i < 2 && log_file >= 0; i++) {
        int both[2];
        if (pipe2(both, O_CLOEXEC) < 0) return say("no pipe: %s", strerror(errno)), CANNOT_RUN;
        streams[i].from = both[0];
        ends[i] = both[1];
    }
    int reason = 0;
    state.trainer = start(command, &mask, ends[0], ends[1], &reason);
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    int code;
    if (!state.trainer) {
        say("cannot run %s: %s", command[0], strerror(reason));
        code = reason == ENOENT || reason == ENOTDIR ? NOT_FOUND : CANNOT_RUN;
        has_folder = has_folder && tell_end(&state, code, strerror(reason));
    } else {
        if (log_file >= 0) {
            pthread_attr_t small;
            pthread_attr_init(&small);
            pthread_attr_setstacksize(&small, 256 * 1024);
            atomic_store(&streams_open, 2);
            for (int i = 0; i < 2; i++) pthread_create(&streams[i].thread, &small, copy, &streams[i]);
        }
        follow(&state);
        share();
        code = state.stopping ? 0 : code_of(state.status);
        has_folder = has_folder && tell_end(&state, code, "");
    }
    if (has_folder) wait_for_collector(&state);
    return code;
}

/* Puts the launcher where containers of any image and any user find it. */
static int install(const char *folder) {
    options.folder = folder;
    char path[LONGEST_PATH], fresh[LONGEST_PATH];
    path_in(path, "launcher");
    path_in(fresh, "launcher.new");
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0755);
    static char data[CHUNK];
    ssize_t length = -1;
    if (from >= 0 && to >= 0)
        while ((length = read(from, data, sizeof data)) > 0 && write_whole(to, data, length)) {}
    if (length != 0 || fchmod(to, 0755) < 0 || close(to) < 0 || rename(fresh, path) < 0)
        return say("cannot put the launcher into %s: %s", folder, strerror(errno)), 1;
    path_in(path, "metrics.jsonl");
    int pushed = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (pushed < 0 || fchmod(pushed, 0666) < 0)
        return say("cannot make %s: %s", path, strerror(errno)), 1;
    return 0;
}

static long long seconds(const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= 0 && value < 1e9)) {
        say("%s is no number of seconds", text);
        exit(WRONG_USE);
    }
    return (long long)(value * 1000);
}

int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "--install") == 0) return install(words[2]);
    int at = 1;
    for (; at < count && strcmp(words[at], "--") != 0; at++) {
        const char *name = words[at];
        if (strcmp(name, "--output") == 0) {
            options.keeps_output = true;
            continue;
        }
        const char *value = at + 1 < count ? words[++at] : NULL;
        if (value && strcmp(name, "--folder") == 0)
            options.folder = value;
        else if (value && strcmp(name, "--share") == 0 && options.shared_count < MOST_SHARED)
            options.shared[options.shared_count++] = value;
        else if (value && strcmp(name, "--grace") == 0)
            options.grace = seconds(value);
        else if (value && strcmp(name, "--stop-grace") == 0)
            options.stop_grace = seconds(value);
        else if (value && strcmp(name, "--patience") == 0)
            options.patience = seconds(value);
        else if (value && strcmp(name, "--most-bytes") == 0)
            options.most_bytes = strtoll(value, NULL, 10);
        else {
            say("%s is no option of the launcher, or has no value", name);
            return WRONG_USE;
        }
    }
    if (!options.folder || strlen(options.folder) > LONGEST_PATH / 2 || at + 1 >= count) {
        say("use: launcher --folder FOLDER [OPTIONS] -- COMMAND [ARGUMENT...]");
        return WRONG_USE;
    }
    return launch(words + at + 1);
}
