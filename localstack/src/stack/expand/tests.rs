//! A parent with two nested stacks of one file.

use super::*;
use crate::stack::yaml::parsed;

const PARENT: &str = "
Parameters:
  Stage: {Type: String, Default: dev}
  Window: {Type: Number, Default: 0}
Conditions: {IsProd: !Equals [!Ref Stage, prod]}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Payment:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: functions/service.yaml
      Parameters:
        Service: payment
        Stage: !Ref Stage
        Application: !Ref AWS::StackName
        TopicArn: !Ref Topic
        Window: !Ref Window
        Settings: !Sub '{\"table\": \"${Register}\"}'
        Publishes: 'yes'
  Intake:
    Type: AWS::CloudFormation::Stack
    DependsOn: Payment
    Properties:
      TemplateURL: functions/service.yaml
      Parameters:
        Service: intake
        Stage: !Ref Stage
        Application: !Ref AWS::StackName
        TopicArn: !Ref Topic
        Window: 5
        Settings: !GetAtt Payment.Outputs.TableName
  Register: {Type: AWS::DynamoDB::Table, DeletionPolicy: !If [IsProd, Retain, Delete]}
  Api: {Type: AWS::Serverless::Function, DependsOn: [Intake, Register]}
Outputs:
  TableName: {Value: !GetAtt Payment.Outputs.TableName}
  Both: {Value: !Sub '${Payment.Outputs.QueueUrl} ${Intake.Outputs.Log} ${Topic.TopicName} ${AWS::Region}'}
";

const CHILD: &str = "
Parameters:
  Service: {Type: String}
  Stage: {Type: String}
  Application: {Type: String}
  TopicArn: {Type: String, Default: ''}
  Window: {Type: Number}
  Limit: {Type: Number, Default: '7'}
  Settings: {Type: String, Default: '{}'}
  Publishes: {Type: String, Default: 'no', AllowedValues: ['yes', 'no']}
Mappings: {Limits: {Queue: {Seconds: 60, Text: '20'}}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  Publishes: !Equals [!Ref Publishes, 'yes']
  HasTopic: !Not [!Equals [!Ref TopicArn, '']]
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !FindInMap [Limits, Queue, Seconds]}}
  Table: {Type: AWS::DynamoDB::Table, DeletionPolicy: !If [IsProd, Retain, Delete]}
  Function:
    Type: AWS::Lambda::Function
    DependsOn: [Queue, RelayQueue]
    Metadata: {BuildProperties: {Binary: !Ref Service}}
    Properties:
      Code: .
      Topic: !If [HasTopic, !Ref TopicArn, !Ref AWS::NoValue]
      Relays: [!GetAtt Queue.Arn, !If [Publishes, !Ref RelayQueue, !Ref AWS::NoValue]]
      Window: !Ref Window
      Environment:
        Variables: {TABLE: !Ref Table, LIMIT: !Ref Limit, TEXT: !FindInMap [Limits, Queue, Text], SETTINGS: !Ref Settings}
  RelayQueue: {Type: AWS::SQS::Queue, Condition: Publishes}
  Log: {Type: AWS::Logs::LogGroup, Condition: IsProd, Properties: {Name: !Sub '/${Application}/${Service}/${Queue.Arn}'}}
Outputs:
  QueueUrl: {Value: !Ref Queue}
  TableName: {Value: !Ref Table}
  RelayUrl: {Condition: Publishes, Value: !Ref RelayQueue}
  Log: {Value: !Sub '/logs/${Service}'}
";

fn files(parent: &str, child: &str) -> TemplateFiles {
    let nested = [("functions/service.yaml".to_owned(), parsed(child))].into();
    TemplateFiles { template: parsed(parent), nested }
}

fn flat() -> Json {
    files(PARENT, CHILD).expanded().unwrap()
}

fn check(place: &str, expected: &Json) {
    let flat = flat();
    assert_eq!(flat.pointer(place).unwrap_or(&Json::Null), expected, "{place}: {flat:#}");
}

#[test]
fn a_template_without_nested_stacks_stays_as_it_is() {
    let template = parsed(
        "{Resources: {B: {Type: T, DependsOn: [Z, A]}, S: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: https://x/y}}}}",
    );
    let files = TemplateFiles { template: template.clone(), nested: BTreeMap::new() };
    assert_eq!(files.expanded().unwrap(), template);
}

#[test]
fn resources_get_the_name_of_their_stack_before_theirs() {
    let resources: Vec<_> = members(&flat()["Resources"]).map(|(id, _)| id.clone()).collect();
    let expected = [
        "Api",
        "IntakeFunction",
        "IntakeLog",
        "IntakeQueue",
        "IntakeTable",
        "PaymentFunction",
        "PaymentLog",
        "PaymentQueue",
        "PaymentRelayQueue",
        "PaymentTable",
        "Register",
        "Topic",
    ];
    assert_eq!(resources.into_iter().collect::<BTreeSet<_>>(), expected.map(str::to_owned).into());
}

#[test]
fn a_parameter_becomes_its_value() {
    let function = "/Resources/PaymentFunction";
    check(&format!("{function}/Metadata/BuildProperties/Binary"), &json!("payment"));
    check(&format!("{function}/Properties/Window"), &json!({"Ref": "Window"}));
    check(&format!("{function}/Properties/Topic"), &json!({"Ref": "Topic"}));
    check("/Resources/IntakeFunction/Properties/Window", &json!(5));
    let variables = json!({
        "TABLE": {"Ref": "PaymentTable"}, "LIMIT": "7", "TEXT": "20",
        "SETTINGS": {"Fn::Sub": r#"{"table": "${Register}"}"#},
    });
    check(&format!("{function}/Properties/Environment/Variables"), &variables);
    check("/Resources/PaymentQueue/Properties/VisibilityTimeout", &json!(60));
}

#[test]
fn a_text_with_parameters_is_put_together() {
    let name = json!({"Fn::Sub": "/${AWS::StackName}/payment/${PaymentQueue.Arn}"});
    check("/Resources/PaymentLog/Properties/Name", &name);
    let both = json!({"Fn::Sub": "${PaymentQueue} /logs/intake ${Topic.TopicName} ${AWS::Region}"});
    check("/Outputs/Both/Value", &both);
}

#[test]
fn an_output_becomes_what_it_is_made_of() {
    check("/Outputs/TableName/Value", &json!({"Ref": "PaymentTable"}));
    check("/Resources/IntakeFunction/Properties/Environment/Variables/SETTINGS", &json!({"Ref": "PaymentTable"}));
}

#[test]
fn a_condition_is_decided_or_asks_the_parents_parameters() {
    check("/Resources/PaymentRelayQueue/Condition", &Json::Null);
    let queue = |stack: &str| json!({"Fn::GetAtt": [format!("{stack}Queue"), "Arn"]});
    let relays = json!([queue("Payment"), {"Ref": "PaymentRelayQueue"}]);
    check("/Resources/PaymentFunction/Properties/Relays", &relays);
    check("/Resources/IntakeFunction/Properties/Relays", &json!([queue("Intake")]));
    check("/Resources/PaymentLog/Condition", &json!("PaymentIsProd"));
    check("/Resources/PaymentTable/DeletionPolicy", &json!({"Fn::If": ["PaymentIsProd", "Retain", "Delete"]}));
    let is_prod = json!({"Fn::Equals": [{"Ref": "Stage"}, "prod"]});
    let conditions = json!({"IsProd": is_prod, "PaymentIsProd": is_prod, "IntakeIsProd": is_prod});
    check("/Conditions", &conditions);
}

#[test]
fn to_wait_for_a_nested_stack_is_to_wait_for_all_of_it() {
    // Payment: the function waits for the queues and the table, and the log for the queue.
    check("/Resources/PaymentFunction/DependsOn", &json!(["PaymentQueue", "PaymentRelayQueue"]));
    check("/Resources/IntakeQueue/DependsOn", &json!(["PaymentFunction"]));
    check("/Resources/IntakeTable/DependsOn", &json!(["PaymentFunction"]));
    check("/Resources/IntakeFunction/DependsOn", &json!(["IntakeQueue"]));
    // Nothing may wait for the log, which is there on prod only.
    check("/Resources/IntakeLog/DependsOn", &Json::Null);
    check("/Resources/Api/DependsOn", &json!(["IntakeFunction", "Register"]));
}

#[test]
fn conditions_are_worked_out_as_far_as_they_can_be() {
    let declared = ["Stage".to_owned()].into();
    let values = [("Given", json!("a")), ("Stage", json!({"Ref": "Stage"})), ("Topic", json!({"Ref": "Topic"}))];
    let values: BTreeMap<_, _> = values.map(|(name, value)| (name.to_owned(), value)).into();
    let open = json!({"Fn::Equals": [{"Ref": "Stage"}, "prod"]});
    for (condition, expected) in [
        ("!Equals [a, !Ref Given]", json!(true)),
        ("!Equals [b, !Ref Given]", json!(false)),
        ("!Equals [1, '1']", json!(true)),
        ("!Equals [!Ref Topic, '']", json!(false)),
        ("!Equals [!Ref Topic, !Ref Topic]", json!(true)),
        ("!Not [!Equals [a, b]]", json!(true)),
        ("!Equals [!Ref Stage, prod]", open.clone()),
        ("!Not [!Equals [!Ref Stage, prod]]", json!({"Fn::Not": [open.clone()]})),
        ("!And [!Equals [a, a], !Equals [!Ref Stage, prod]]", open.clone()),
        ("!And [!Equals [a, b], !Equals [!Ref Stage, prod]]", json!(false)),
        ("!And [!Equals [a, a], !Equals [b, b]]", json!(true)),
        ("!Or [!Equals [a, b], !Equals [!Ref Stage, prod]]", open.clone()),
        ("!Or [!Equals [a, a], !Equals [!Ref Stage, prod]]", json!(true)),
        ("!Or [!Equals [!Ref Stage, prod], !Equals [!Ref Stage, prod]]", json!({"Fn::Or": [open.clone(), open]})),
    ] {
        let template = Json::Null;
        let child = Child { id: "A", file: "a.yaml", template: &template, values: values.clone(), declared: &declared };
        assert_eq!(child.condition(&parsed(condition)), Ok(expected), "{condition}");
    }
}

/// The fault of the templates with one text replaced in either.
fn fault(old: &str, new: &str) -> String {
    let (parent, child) = (PARENT.replacen(old, new, 1), CHILD.replacen(old, new, 1));
    assert!(parent != PARENT || child != CHILD, "{old} is not there");
    let parent = if parent == PARENT { PARENT.to_owned() } else { parent };
    files(&parent, if parent == PARENT { &child } else { CHILD }).expanded().unwrap_err().to_string()
}

#[test]
fn a_fault_is_told_with_its_place() {
    let (intake, payment) = ("Intake (functions/service.yaml)", "Payment (functions/service.yaml)");
    for (old, new, expected) in [
        ("Publishes: 'yes'", "Publish: 'yes'", format!("{payment} Parameters: there is no parameter Publish")),
        ("Window: 5", "Limit: 5", format!("{intake} Parameters: parameter Window has no value")),
        ("Window: 5", "Window: soon", format!("{intake} Parameters: parameter Window must not be soon")),
        (
            "Publishes: 'yes'",
            "Publishes: maybe",
            format!("{payment} Parameters: parameter Publishes must not be maybe"),
        ),
        (
            "TableName: {Value: !GetAtt Payment.Outputs.TableName}",
            "TableName: {Value: !GetAtt Payment.Outputs.Tablename}",
            "Outputs/TableName: Payment has no output Tablename".to_owned(),
        ),
        ("${Intake.Outputs.Log}", "${Intake.Outputs.Logs}", "Outputs/Both: Intake has no output Logs".to_owned()),
        (
            "${Intake.Outputs.Log}",
            "${Intake.Outputs.RelayUrl}",
            "Outputs/Both: Intake.Outputs.RelayUrl is left out by its condition".to_owned(),
        ),
        (
            "${Intake.Outputs.Log}",
            "${Intake}",
            "Outputs/Both: Intake is no output, such as Stack.Outputs.Name".to_owned(),
        ),
        (
            "TableName: {Value: !GetAtt Payment.Outputs.TableName}",
            "TableName: {Value: !Ref Payment}",
            "Outputs/TableName: Payment is no output, such as Stack.Outputs.Name".to_owned(),
        ),
        (
            "TABLE: !Ref Table",
            "TABLE: !Ref Tabel",
            format!("{payment} Resources/Function: there is neither a parameter nor a resource Tabel"),
        ),
        (
            "!GetAtt Queue.Arn",
            "!GetAtt Service.Arn",
            format!("{payment} Resources/Function: there is neither a parameter nor a resource Service"),
        ),
        (
            "'/${Application}/",
            "'/${Applikation}/",
            format!("{payment} Resources/Log: there is neither a parameter nor a resource Applikation"),
        ),
        (
            "QueueUrl: {Value: !Ref Queue}",
            "QueueUrl: {Value: !Ref RelayQueue}",
            format!("{intake} Outputs/QueueUrl: RelayQueue is left out by its condition"),
        ),
        (
            "[Queue, RelayQueue]",
            "[Cue]",
            format!("{payment} Resources/Function: there is neither a parameter nor a resource Cue"),
        ),
        (
            "Condition: IsProd,",
            "Condition: IsProud,",
            format!("{payment} Resources/Log: there is no condition IsProud"),
        ),
        (
            "[Limits, Queue, Seconds]",
            "[Limits, Queue, Minutes]",
            format!("{payment} Resources/Queue: there is no mapping Limits/Queue/Minutes"),
        ),
        (
            "!Equals [!Ref Publishes, 'yes']",
            "!Equals [!Ref TopicArn, 'yes']",
            format!(
                r#"{payment} Resources/Function: only the deployment could tell whether {{"Ref":"Topic"}} is "yes""#
            ),
        ),
        (
            "'/logs/${Service}'",
            "'/logs/${AWS::StackName}'",
            format!("{payment} Outputs/Log: AWS::StackName, which is the nested stack's own, cannot be expanded"),
        ),
        (
            "Topic: {Type: AWS::SNS::Topic}",
            "IntakeQueue: {Type: A}",
            "Resources: there is another IntakeQueue".to_owned(),
        ),
        ("DependsOn: Payment", "Condition: IsProd", "Resources/Intake: Condition cannot be expanded".to_owned()),
        (
            "Settings: !Sub '{\"table\": \"${Register}\"}'",
            "Settings: !GetAtt Intake.Outputs.Log",
            "Resources/Intake: it needs its own outputs".to_owned(),
        ),
        ("Mappings:", "Transform: x\nMappings:", format!("{payment} Transform: Transform cannot be expanded")),
        (
            "Queue: {Type: AWS::SQS::Queue,",
            "Queue: {Type: AWS::CloudFormation::Stack,",
            format!("{payment} Resources/Queue: a stack in a nested stack cannot be expanded"),
        ),
    ] {
        assert_eq!(fault(old, new), expected, "{old} -> {new}");
    }
}

#[test]
fn the_files_are_found_beside_the_template() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("functions")).unwrap();
    std::fs::write(dir.path().join("template.yaml"), PARENT).unwrap();
    let path = dir.path().join("template.yaml");
    let error = TemplateFiles::read(&path).unwrap_err().to_string();
    assert!(error.contains("functions/service.yaml: No such file"), "{error}");
    std::fs::write(dir.path().join("functions/service.yaml"), CHILD).unwrap();
    assert_eq!(TemplateFiles::read(&path).unwrap(), files(PARENT, CHILD));
}
