# Strimzi's Kafka with the plugins of the project's Connect image. Build that one first:
#   docker compose -f compose/compose.yaml build connect
#   docker build -t YOUR/coupon-cdc-strimzi-connect -f deploy/strimzi-connect.Dockerfile deploy
FROM coupon-cdc-connect AS connect

FROM quay.io/strimzi/kafka:1.2.0-kafka-4.3.1
COPY --from=connect /kafka/connect/debezium-connector-postgres /opt/kafka/plugins/debezium-connector-postgres
COPY --from=connect /kafka/connect/apicurio-converter /opt/kafka/plugins/apicurio-converter
