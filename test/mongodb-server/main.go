// A MongoDB-protocol server for the tests, which keeps everything in SQLite files: FerretDB, embedded.
// FerretDB's own command can't be built from its module alone: it wants a generated version file.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	directory := flag.String("directory", "", "where the databases lie; ends with a slash")
	flag.Parse()

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Handler:   "sqlite",
		// Tests kill this process, never the system: what was written to a file is there afterwards, synced or not.
		SQLiteURL: "file:" + *directory + "?_pragma=synchronous(off)",
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Println(server.MongoDBURI())
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
