// A bare worker on the Go client: ADDRESS TYPE SLOTS. It fetches "url", calls it with a bearer token, completes the job.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/camunda/zeebe/clients/go/v8/pkg/entities"
	"github.com/camunda/zeebe/clients/go/v8/pkg/worker"
	"github.com/camunda/zeebe/clients/go/v8/pkg/zbc"
)

func main() {
	slots, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	client, err := zbc.NewClient(&zbc.ClientConfig{GatewayAddress: os.Args[1], UsePlaintextConnection: true})
	if err != nil {
		panic(err)
	}
	web := &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: slots, MaxIdleConnsPerHost: slots, MaxConnsPerHost: slots},
	}
	client.NewJobWorker().JobType(os.Args[2]).Handler(func(jobs worker.JobClient, job entities.Job) {
		call(web, jobs, job)
	}).MaxJobsActive(slots).Concurrency(slots).Timeout(300 * time.Second).PollInterval(10 * time.Millisecond).
		FetchVariables("url").Open().AwaitClose()
}

func call(web *http.Client, jobs worker.JobClient, job entities.Job) {
	var variables struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(job.Variables), &variables); err != nil {
		panic(err)
	}
	request, err := http.NewRequest(http.MethodGet, variables.URL, nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer bench")
	response, err := web.Do(request)
	if err != nil {
		panic(err)
	}
	var body struct {
		Name string `json:"name"`
	}
	err = json.NewDecoder(response.Body).Decode(&body)
	response.Body.Close()
	if err != nil {
		panic(err)
	}
	command, err := jobs.NewCompleteJobCommand().JobKey(job.Key).VariablesFromMap(
		map[string]interface{}{"name": body.Name, "status": response.StatusCode})
	if err != nil {
		panic(err)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err = command.Send(ctx)
		cancel()
		if err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
