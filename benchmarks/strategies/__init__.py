"""The three other designs of the report, to compare with ours on one machine in one run.

Each is as good as its idea allows. They share everything that is not part of the idea: the HTTP
server and routes, authentication, the gate, the batching of claims, the ledger's tables, the
statements that issue, and the consumer. They differ in what happens between "admitted" and "202",
and in which process issues coupons, and from what:

  redis_queue  admitted, pushed to a list in Redis, 202; a worker takes batches from the list
  redis_kafka  admitted, handed to a Kafka producer, 202; the consumer takes batches from the topic
  outbox       admitted, request and outbox row committed, 202; a publisher polls the outbox table
               and writes to the topic, the consumer takes batches from it
"""
