// The plain handler of ../handlers.mjs for Go's net/http/fcgi. Usage: application SOCKET
package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"strings"
)

var download = bytes.Repeat([]byte("express-fastcgi "), 1048576/16)
var chunk = download[:65536]

func head(w http.ResponseWriter, contentType string, length int) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(length))
}

func serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/small":
		head(w, "text/plain", 12)
		io.WriteString(w, "hello world\n")
	case r.URL.Path == "/download":
		head(w, "application/octet-stream", len(download))
		w.Write(download)
	case r.URL.Path == "/upload":
		length, _ := io.Copy(io.Discard, r.Body)
		answer := strconv.FormatInt(length, 10) + "\n"
		head(w, "text/plain", len(answer))
		io.WriteString(w, answer)
	case strings.HasPrefix(r.URL.Path, "/stream/"):
		length, _ := strconv.Atoi(r.URL.Path[len("/stream/"):])
		head(w, "application/octet-stream", length)
		for left := length; left > 0; left -= len(chunk) {
			w.Write(chunk)
		}
	default:
		http.NotFound(w, r)
	}
}

func main() {
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(fcgi.Serve(listener, http.HandlerFunc(serve)))
}
