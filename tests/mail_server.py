"""A real SMTP server (RFC 5321) that keeps what it is handed; `python -m tests.mail_server` prints
it, for whoever wants to see the mails of `make run`."""

import email
import email.policy
import socketserver
import sys
from email.message import EmailMessage
from threading import Thread
from typing import Self

DEMO_PORT = 1025


class MailServer(socketserver.ThreadingTCPServer):
    """Takes every mail, unless `answers` holds another reply to the next recipients."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.connections = 0
        self.answers: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def took(self, mail: EmailMessage) -> None:
        self.mails.append(mail)

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.server.connections += 1
        self.say("220 mail.example ESMTP")
        while line := self.rfile.readline():
            verb = line.split(b" ")[0].strip().upper()
            if verb == b"RCPT":
                self.recipient(line)
            elif verb == b"DATA":
                self.say("354 go on")
                self.take()
                self.say("250 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 mail.example")

    def recipient(self, line: bytes) -> None:
        answer = self.server.answers.pop(0) if self.server.answers else "250 fine"
        if answer.startswith("250"):
            self.server.recipients.append(line.decode().partition("<")[2].partition(">")[0])
        self.say(answer)

    def take(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            # RFC 5321 section 4.5.2: a leading period is sent twice.
            lines.append(line[1:] if line.startswith(b".") else line)
        mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self.server.took(mail)

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Printer(MailServer):
    def took(self, mail: EmailMessage) -> None:
        text = mail.get_body(("plain",))
        print(f"To: {mail['To']}\nSubject: {mail['Subject']}\n", flush=True)
        print(text.get_content() if text else "", flush=True)


if __name__ == "__main__":
    with _Printer(DEMO_PORT) as printer:
        print(f"Mails to smtp://127.0.0.1:{printer.port}?tls=none are printed here.", flush=True)
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            pass
