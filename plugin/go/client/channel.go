package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// answer is what a call gets: a result, or a failure.
type answer struct {
	result  json.RawMessage
	failure error
}

// channel is one connection: calls go out, and answers are given to whom they belong, by id.
type channel struct {
	transport transport
	outgoing  chan []byte
	done      chan struct{} // closed when the channel is broken

	guard   sync.Mutex // what follows
	limit   int        // of messages that the server takes; 0 until it has said so
	waiting map[uint64]chan answer
	lastID  uint64
	broken  error
}

type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
}

type response struct {
	JSONRPC string           `json:"jsonrpc"`
	ID      json.RawMessage  `json:"id"`
	Result  *json.RawMessage `json:"result"`
	Error   *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    struct {
			Code          string `json:"code"`
			Retryable     bool   `json:"retryable"`
			Hint          string `json:"hint"`
			CorrelationID string `json:"correlation_id"`
		} `json:"data"`
	} `json:"error"`
}

func newChannel(transport transport) *channel {
	channel := &channel{
		transport: transport, outgoing: make(chan []byte, 16), done: make(chan struct{}), waiting: map[uint64]chan answer{},
	}
	go channel.read()
	go channel.write()
	return channel
}

// send begins a call; its answer arrives in the channel that is returned.
func (c *channel) send(method string, params any) (uint64, <-chan answer, error) {
	c.guard.Lock()
	if c.broken != nil {
		c.guard.Unlock()
		return 0, nil, c.broken
	}
	c.lastID++
	id, arrives := c.lastID, make(chan answer, 1)
	c.waiting[id] = arrives
	limit := c.limit
	c.guard.Unlock()

	body, err := encode(message{JSONRPC: "2.0", ID: fmt.Appendf(nil, "%d", id), Method: method, Params: params})
	if err == nil && limit > 0 && len(body) > limit {
		err = fmt.Errorf("%w: a request of %d bytes, the keyring plugin takes %d", ErrTooLarge, len(body), limit)
	}
	if err != nil {
		c.forget(id)
		return 0, nil, err
	}
	c.post(body)
	return id, arrives, nil
}

// cancel withdraws a call. Its answer, if one still comes, is dropped.
func (c *channel) cancel(id uint64) {
	c.forget(id)
	if body, err := encode(message{JSONRPC: "2.0", Method: "$/cancelRequest", Params: map[string]uint64{"id": id}}); err == nil {
		c.post(body)
	}
}

func (c *channel) forget(id uint64) {
	c.guard.Lock()
	delete(c.waiting, id)
	c.guard.Unlock()
}

// post hands a message to the writer. A caller's deadline must hold even if the server does not read.
func (c *channel) post(body []byte) {
	select {
	case c.outgoing <- body:
	case <-c.done:
	}
}

// write does not report failures: the reader finds the end of the stream too, and then knows more about it.
func (c *channel) write() {
	for {
		select {
		case body := <-c.outgoing:
			_ = writeFrame(c.transport, body)
		case <-c.done:
			return
		}
	}
}

// end fails every call, those that wait and those to come, with the first reason that was given.
func (c *channel) end(reason error) {
	c.guard.Lock()
	if c.broken == nil {
		c.broken = reason
		close(c.done)
	}
	reason = c.broken
	c.guard.Unlock()
	c.failAll(reason)
}

func (c *channel) usable() bool {
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.broken == nil
}

// read gives answers to whom they belong until the stream ends or makes no sense any more.
func (c *channel) read() {
	from := bufio.NewReaderSize(c.transport, 1<<16)
	for {
		body, err := readFrame(from, maxAnswerBytes)
		if err == nil {
			err = c.deliver(body)
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, ErrEnded):
			err = fmt.Errorf("%w: %s", err, c.transport.why())
		case !errors.Is(err, ErrMalformed):
			err = fmt.Errorf("%w: %s", ErrEnded, c.transport.why())
		}
		c.end(err)
		c.transport.abort()
		return
	}
}

func (c *channel) deliver(body []byte) error {
	var read response
	if err := json.Unmarshal(body, &read); err != nil {
		return fmt.Errorf("%w: an answer is not JSON of JSON-RPC", ErrMalformed)
	}
	// A result of null is a result, which a pointer cannot tell from none.
	hasResult := read.Result != nil || read.Error == nil && hasMember(body, "result")
	if read.JSONRPC != "2.0" || hasResult == (read.Error != nil) {
		return fmt.Errorf("%w: an answer is neither a result nor an error", ErrMalformed)
	}
	got := answer{result: json.RawMessage("null")}
	if read.Result != nil {
		got.result = *read.Result
	}
	if told := read.Error; told != nil {
		got = answer{failure: &Error{
			Code: told.Data.Code, Number: told.Code, Message: told.Message, Hint: told.Data.Hint,
			Retryable: told.Data.Retryable, CorrelationID: told.Data.CorrelationID,
		}}
	}
	if len(read.ID) == 0 || bytes.Equal(read.ID, []byte("null")) {
		if got.failure == nil {
			return fmt.Errorf("%w: a result belongs to no request", ErrMalformed)
		}
		// The server could not tell which request it was, so it may be any of those that wait.
		c.failAll(got.failure)
		return nil
	}
	var id uint64
	if err := json.Unmarshal(read.ID, &id); err != nil {
		return fmt.Errorf("%w: an answer to a request that was not made", ErrMalformed)
	}
	c.guard.Lock()
	defer c.guard.Unlock()
	arrives, found := c.waiting[id]
	if !found {
		if id == 0 || id > c.lastID {
			return fmt.Errorf("%w: an answer to a request that was not made", ErrMalformed)
		}
		return nil // nobody waits for it any more
	}
	delete(c.waiting, id)
	arrives <- got
	return nil
}

func (c *channel) failAll(failure error) {
	c.guard.Lock()
	defer c.guard.Unlock()
	for id, arrives := range c.waiting {
		delete(c.waiting, id)
		arrives <- answer{failure: failure}
	}
}

func hasMember(body []byte, name string) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return false
	}
	_, found := members[name]
	return found
}

// encode is json.Marshal without the escapes for HTML.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
