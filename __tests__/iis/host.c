/*
 * Starts a FastCGI application as IIS does: standard input is one end of a connected, duplex, overlapped named pipe, standard
 * output and error are invalid handles, _FCGI_X_PIPE_ is in the environment. The other end of the pipe is bridged to a TCP
 * port of 127.0.0.1, on which a test listens and plays IIS.
 *
 *     host.exe PORT server|client COMMAND LINE
 *
 * `server` gives the application the end that made the pipe, `client` the one that opened it by name. Prints
 * `started PID` and `exit CODE` on standard output.
 */
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#define PIECE 65536

static HANDLE pipeEnd;
static SOCKET test;

static void fail(const char *what) {
  printf("failed %s: error %lu\n", what, GetLastError());
  fflush(stdout);
  ExitProcess(111);
}

/* One transfer over the pipe, to its end; 0 when the pipe is closed. */
static DWORD transfer(BOOL isWrite, char *bytes, DWORD count) {
  OVERLAPPED overlapped = {0};
  DWORD done = 0;
  overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
  BOOL isDone = isWrite ? WriteFile(pipeEnd, bytes, count, NULL, &overlapped) : ReadFile(pipeEnd, bytes, count, NULL, &overlapped);
  if (isDone || GetLastError() == ERROR_IO_PENDING) {
    if (!GetOverlappedResult(pipeEnd, &overlapped, &done, TRUE)) done = 0;
  }
  CloseHandle(overlapped.hEvent);
  return done;
}

static DWORD WINAPI fromTest(void *unused) {
  static char bytes[PIECE];
  for (;;) {
    int count = recv(test, bytes, PIECE, 0);
    if (count <= 0) break;
    for (int at = 0; at < count;) {
      DWORD done = transfer(TRUE, bytes + at, count - at);
      if (done == 0) return 0;
      at += done;
    }
  }
  /* What was written may still be unread: closing at once would take it away. */
  FlushFileBuffers(pipeEnd);
  CancelIoEx(pipeEnd, NULL);
  CloseHandle(pipeEnd);
  return 0;
}

static DWORD WINAPI toTest(void *unused) {
  static char bytes[PIECE];
  DWORD count;
  while ((count = transfer(FALSE, bytes, PIECE)) > 0) {
    for (DWORD at = 0; at < count;) {
      int sent = send(test, bytes + at, count - at, 0);
      if (sent <= 0) return 0;
      at += sent;
    }
  }
  shutdown(test, SD_SEND);
  return 0;
}

int wmain(int argc, wchar_t **argv) {
  if (argc != 4) {
    printf("usage: host.exe PORT server|client COMMAND\n");
    return 2;
  }
  WSADATA data;
  if (WSAStartup(MAKEWORD(2, 2), &data) != 0) fail("WSAStartup");

  wchar_t name[128];
  swprintf(name, 128, L"\\\\.\\pipe\\IISFCGI-%08lx-%08lx", GetCurrentProcessId(), GetTickCount());
  SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
  BOOL givesServerEnd = wcscmp(argv[2], L"server") == 0;
  HANDLE made = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE, PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT, 1,
                                 PIECE, PIECE, 0, givesServerEnd ? &inheritable : NULL);
  if (made == INVALID_HANDLE_VALUE) fail("CreateNamedPipe");
  HANDLE opened = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, givesServerEnd ? NULL : &inheritable, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
  if (opened == INVALID_HANDLE_VALUE) fail("CreateFile");
  HANDLE childEnd = givesServerEnd ? made : opened;
  pipeEnd = givesServerEnd ? opened : made;

  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((u_short)_wtoi(argv[1]));
  test = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_NO_HANDLE_INHERIT);
  if (test == INVALID_SOCKET || connect(test, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");

  SetEnvironmentVariableW(L"_FCGI_X_PIPE_", name);
  STARTUPINFOW startup = {0};
  PROCESS_INFORMATION process;
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = childEnd;
  startup.hStdOutput = INVALID_HANDLE_VALUE;
  startup.hStdError = INVALID_HANDLE_VALUE;
  if (!CreateProcessW(NULL, argv[3], NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL, NULL, &startup, &process)) fail("CreateProcess");
  CloseHandle(childEnd);
  printf("started %lu\n", process.dwProcessId);
  fflush(stdout);

  CreateThread(NULL, 0, toTest, NULL, 0, NULL);
  CreateThread(NULL, 0, fromTest, NULL, 0, NULL);
  WaitForSingleObject(process.hProcess, INFINITE);
  DWORD code = 0;
  GetExitCodeProcess(process.hProcess, &code);
  printf("exit %lu\n", code);
  fflush(stdout);
  return 0;
}
