package shop

import "container/list"

// cache holds the most recently used keys, as the cache server does that all replicas
// of a service share.
type cache struct {
	capacity     int
	order        *list.List // of keys, most recently used first
	held         map[uint32]*list.Element
	hits, misses float64
}

func newCache(capacity int) *cache {
	return &cache{capacity: capacity, order: list.New(), held: map[uint32]*list.Element{}}
}

// get reports whether the key is held.
func (c *cache) get(key uint32, weight float64) bool {
	element, hit := c.held[key]
	if hit {
		c.order.MoveToFront(element)
		c.hits += weight
	} else {
		c.misses += weight
	}
	return hit
}

// expire forgets a key whose time is over.
func (c *cache) expire(key uint32) {
	if element, ok := c.held[key]; ok {
		c.order.Remove(element)
		delete(c.held, key)
	}
}

// put holds the key, and drops the least recently used one if there is no room.
func (c *cache) put(key uint32) {
	if element, ok := c.held[key]; ok {
		c.order.MoveToFront(element)
		return
	}
	c.held[key] = c.order.PushFront(key)
	c.trim()
}

// restart empties the cache and gives it another capacity.
func (c *cache) restart(capacity int) {
	c.capacity = capacity
	c.order.Init()
	clear(c.held)
}

func (c *cache) trim() {
	for len(c.held) > c.capacity {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.held, last.Value.(uint32))
	}
}
