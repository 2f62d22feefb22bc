import '@servicenow/sdk/global'

declare global {
    namespace Now {
        namespace Internal {
            interface Keys extends KeysRegistry {
                explicit: {
                    approval: {
                        table: 'sys_hub_flow'
                        id: 'c3245059c097426ab15fc74426ab9b6e'
                    }
                    'approval-asked': {
                        table: 'sys_hub_action_instance_v2'
                        id: '7ea3409f00064e8d8657a2010d914eb2'
                    }
                    'approval-closed': {
                        table: 'sys_hub_action_instance_v2'
                        id: '604e0bebe19d4bbbb39dc27486061e06'
                    }
                    'approval-given': {
                        table: 'sys_hub_flow_logic_instance_v2'
                        id: 'da1166165bda40f6b408cd2042991340'
                    }
                    'approval-not-given': {
                        table: 'sys_hub_flow_logic_instance_v2'
                        id: 'f565b97f1f0041a4a0a261cc29399867'
                    }
                    'approval-ordered': {
                        table: 'sys_hub_trigger_instance_v2'
                        id: '05f0e0a7abeb4126862a1ada2dd3b409'
                    }
                    'approval-rejected': {
                        table: 'sys_hub_action_instance_v2'
                        id: 'c40d2a998f1f416c96f11696315df12e'
                    }
                    approvers: {
                        table: 'sys_user_group'
                        id: '1eabe834694a4b3f8a75422492928ae7'
                    }
                    'attest-proof': {
                        table: 'sys_script'
                        id: '58597794799b43d39183d0cad2d26424'
                    }
                    bom_json: {
                        table: 'sys_module'
                        id: '58c3636eb6b847cd8a05b38b37e07f49'
                    }
                    'desk-only': {
                        table: 'user_criteria'
                        id: '15b4af12e4e248d4be8b96ac1de2c4cb'
                    }
                    item: {
                        table: 'sc_cat_item'
                        id: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                    }
                    'keep-order': {
                        table: 'sys_script'
                        id: 'c5e54103f12146bc89a120e20c51280c'
                    }
                    keys: {
                        table: 'sys_properties'
                        id: '1ac2baa6a4f742ada3df692c09c7a4d8'
                    }
                    'note-tickets': {
                        table: 'sys_scope_privilege'
                        id: '8f8ac4d7b0cd4a7594b9854bad1e256a'
                    }
                    'outbox-create': {
                        table: 'sys_security_acl'
                        id: 'e40785e82c844fa7ab8ad7b5dd7290f2'
                    }
                    'outbox-delete': {
                        table: 'sys_security_acl'
                        id: 'd255b923a78d40678e1b4aa3f9fa821f'
                    }
                    'outbox-read': {
                        table: 'sys_security_acl'
                        id: 'e6526887e0aa4fd0b535cc676b136471'
                    }
                    'outbox-write': {
                        table: 'sys_security_acl'
                        id: '90d6d362d7bc4cb9a8236e71cd4e1cd5'
                    }
                    package_json: {
                        table: 'sys_module'
                        id: '34bf8828db444dd8b678bc132dd24517'
                    }
                    'proof-create': {
                        table: 'sys_security_acl'
                        id: 'bd91d4aa6fe34a1b814441f826aa56f4'
                    }
                    'proof-write': {
                        table: 'sys_security_acl'
                        id: '3743a675112749fca7a4361d097ca679'
                    }
                    'read-tickets': {
                        table: 'sys_scope_privilege'
                        id: 'd10486a523ed4d49ba70c3c370ab90d1'
                    }
                    'send-due': {
                        table: 'sysauto_script'
                        id: 'eb9ab3a044ec45be979975864809c017'
                    }
                    src_server_delivery_ts: {
                        table: 'sys_module'
                        id: '8440746ae54e4749b00066dbf6b7632c'
                    }
                    src_server_event_ts: {
                        table: 'sys_module'
                        id: '28be96f2cf0349f99f7ac1d5a404c7eb'
                    }
                    src_server_outbox_ts: {
                        table: 'sys_module'
                        id: '6821dae1081a4d66b15dd862859c710f'
                    }
                    src_server_signature_ts: {
                        table: 'sys_module'
                        id: '59722e8206f64b49b17422821250ff3f'
                    }
                    'test-approved': {
                        table: 'sys_atf_step'
                        id: '5c9c39d82ac648f69f02dbea377db7dc'
                    }
                    'test-desk': {
                        table: 'sys_atf_step'
                        id: '177c738d38764b1b9b075b7a27063239'
                    }
                    'test-desk-clicks': {
                        table: 'sys_atf_step'
                        id: '06f0b81b2f75452e8478f424f9dbc481'
                    }
                    'test-desk-opens': {
                        table: 'sys_atf_step'
                        id: 'df87a5f59df24fa6bb49e6f3268144ce'
                    }
                    'test-desk-opens-waiting': {
                        table: 'sys_atf_step'
                        id: '63b69150526642ecb52a8414e0129f99'
                    }
                    'test-desk-sees-waiting': {
                        table: 'sys_atf_step'
                        id: '04e3cf4cc1764659bcb65fb0cd65d859'
                    }
                    'test-event': {
                        table: 'sys_atf_step'
                        id: '332587ad86d44d6f86263c9eb9687d74'
                    }
                    'test-outsider': {
                        table: 'sys_atf_step'
                        id: 'dfe8dfb8dd5949188820e39eefcfa579'
                    }
                    'test-outsider-opens': {
                        table: 'sys_atf_step'
                        id: '8292b2c6d086430da6d15592e2506795'
                    }
                    'test-outsider-sees': {
                        table: 'sys_atf_step'
                        id: 'c30905d2c93c4ab0b25abb0e61395cc2'
                    }
                    'test-try-again': {
                        table: 'sys_atf_test'
                        id: '29fc2f557b244dd5be9c182340f33048'
                    }
                    'test-waiting': {
                        table: 'sys_atf_step'
                        id: '6f4adaa009c84086834458ca582f4225'
                    }
                    'ticket-approved': {
                        table: 'sys_script'
                        id: '065648212e16458fa490c16efbc53f2c'
                    }
                    'try-again': {
                        table: 'sys_ui_action'
                        id: '19bc2eba2ade47eeaed91d6b9c714dea'
                    }
                    url: {
                        table: 'sys_properties'
                        id: '1c71cf4923c74e45ad23acadd9070a9b'
                    }
                }
                composite: [
                    {
                        table: 'sys_variable_value'
                        id: '0027a94f69114ff1a4ee29ded027a675'
                        key: {
                            document_key: '5c9c39d82ac648f69f02dbea377db7dc'
                            variable: '9024a37f671003007ba405225685efe5'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '021558ce4d23488eabb20a96351cc747'
                        key: {
                            document_key: '177c738d38764b1b9b075b7a27063239'
                            variable: '1778a7480f20101091d0f00c97767e03'
                        }
                    },
                    {
                        table: 'sys_element_mapping'
                        id: '026e4208b6b247ea8835007b28d2cb4b'
                        key: {
                            field: 'record_id'
                            table: 'var__m_atf_input_variable_5f2e0e535332120028bc29cac2dc34d3'
                            id: '8292b2c6d086430da6d15592e2506795'
                        }
                    },
                    {
                        table: 'sys_choice'
                        id: '0301da7a48d34b8cb6293a6c306ca958'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'state'
                            value: 'pending'
                            language: 'en'
                            dependent_value: 'NULL'
                        }
                    },
                    {
                        table: 'sys_ui_action_role'
                        id: '069213e365d541e184e2a4761c30b5ca'
                        key: {
                            sys_ui_action: '19bc2eba2ade47eeaed91d6b9c714dea'
                            sys_user_role: {
                                id: '9046a8acbefb4e989ed48235585b2cea'
                                key: {
                                    name: 'x_rereg_mfa.desk'
                                }
                            }
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '0948f7ac5467410a9d90c1b4280cc307'
                        key: {
                            document_key: '63b69150526642ecb52a8414e0129f99'
                            variable: '6e55da4e53a0220002c6435723dc34a0'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '0a0125b9637447b784c7c23565e0296b'
                        key: {
                            document_key: 'c30905d2c93c4ab0b25abb0e61395cc2'
                            variable: 'bc43e004c76733005e5c45b881c26046'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '0f881f89a9d942048901b7628f35708e'
                        key: {
                            document_key: 'dfe8dfb8dd5949188820e39eefcfa579'
                            variable: '8c07aba5ff6033008d3f5d9ad53bf13b'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '101d78fe73534aa48d7897fb1a53a29a'
                        key: {
                            document_key: '5c9c39d82ac648f69f02dbea377db7dc'
                            variable: 'dd54cf535320220002c6435723dc34fd'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '12257844bdba433487c06a7aa83ee870'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'state'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '1277dc6706ed46ae8298346cc5c96774'
                        key: {
                            document_key: '177c738d38764b1b9b075b7a27063239'
                            variable: 'ff06ab840f20101091d0f00c97767e6d'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '1561b1a46d40406f9e72931c1e82eeff'
                        key: {
                            document_key: '177c738d38764b1b9b075b7a27063239'
                            variable: '6f69fc4aff6433008d3f5d9ad53bf18c'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '16b749730b0148428664b7da24c8078d'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'tries'
                        }
                    },
                    {
                        table: 'sc_cat_item_catalog'
                        id: '1c6bbfea0d354c9f99b30a313ee2ad68'
                        key: {
                            sc_cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                            sc_catalog: 'e0d08b13c3330100c8b837659bba8fb4'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '25067255010f401d948a7e1e8ca1e5b4'
                        key: {
                            document_key: 'df87a5f59df24fa6bb49e6f3268144ce'
                            variable: '17d732a9c7a333005e5c45b881c26007'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '288abf7db38e4cd0a16a46de9babd985'
                        key: {
                            document_key: '06f0b81b2f75452e8478f424f9dbc481'
                            variable: '535cb5ab53233300f06fddeeff7b1247'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '2a7bca0ba62a48609b9b3179a0468f7a'
                        key: {
                            document_key: '06f0b81b2f75452e8478f424f9dbc481'
                            variable: '7c5f6d2353e0220002c6435723dc34f6'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '2c02fce124bb477b9b60b310408e10c1'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'last_status'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '2e04c72c15e24cdf8b6b3a614f99f627'
                        key: {
                            document_key: 'df87a5f59df24fa6bb49e6f3268144ce'
                            variable: 'ad351a4e53a0220002c6435723dc34f0'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '2f81b8b16d9f4c159f5178669df0d81d'
                        key: {
                            document_key: '8292b2c6d086430da6d15592e2506795'
                            variable: '6e55da4e53a0220002c6435723dc34a0'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '2f9f59a5b9b34026b5952b55749f9486'
                        key: {
                            document_key: 'df87a5f59df24fa6bb49e6f3268144ce'
                            variable: '74d6e7a0a3023110571967d1361e616b'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '2ffe36439a4643e7ae918e9a9549d2dd'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'last_status'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '3033e6dbc51547f1a86592f95bd069f0'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'next_try'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '31cd3ecfdea2467d9a7232c575241d5b'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'event_id'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_security_acl_role'
                        id: '32f5c6f48d97438ab6c7ff9319189a76'
                        key: {
                            sys_security_acl: 'd255b923a78d40678e1b4aa3f9fa821f'
                            sys_user_role: {
                                id: 'c509d216581c450383ac770cb8d2dcaf'
                                key: {
                                    name: 'admin'
                                }
                            }
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '334f22ddc0d64a779ea68264a630b3c2'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'NULL'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_element_mapping'
                        id: '35ab9599e33a416895f72606a3dbfff9'
                        key: {
                            field: 'field_values'
                            table: 'var__m_atf_input_variable_2d82e3c7531400109e02ddeeff7b12a7'
                            id: '332587ad86d44d6f86263c9eb9687d74'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '36fe67d3ffcb4dfd856a89601cace926'
                        key: {
                            document_key: '177c738d38764b1b9b075b7a27063239'
                            variable: 'b27b2b29ff6033008d3f5d9ad53bf164'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '38e4e40dd42345b9af188351bf7bc5b1'
                        key: {
                            document_key: '04e3cf4cc1764659bcb65fb0cd65d859'
                            variable: '56e6bee65320220002c6435723dc34b9'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '3bf2a269e44d4a618585699e04267f21'
                        key: {
                            document_key: '177c738d38764b1b9b075b7a27063239'
                            variable: '98c44875ffa033008d3f5d9ad53bf1fa'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '3d427f8c840c47918ca7b962c9fdba20'
                        key: {
                            name: 'sc_req_item'
                            element: 'NULL'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_security_acl_role'
                        id: '3e1aa3a3bf49410eacc24f18a93bc98c'
                        key: {
                            sys_security_acl: '90d6d362d7bc4cb9a8236e71cd4e1cd5'
                            sys_user_role: {
                                id: 'c509d216581c450383ac770cb8d2dcaf'
                                key: {
                                    name: 'admin'
                                }
                            }
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '4163aaf89c7a489cb95880ec76a2e9d4'
                        key: {
                            document_key: '6f4adaa009c84086834458ca582f4225'
                            variable: 'e6e3c7535320220002c6435723dc3496'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '41b2b53874ce4202abeb614b4c421bc0'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'NULL'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '41e99ffe1b0041268cc423d7d9de056f'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'request_id'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_choice'
                        id: '41f27a619bd24c22a9fbf769db20d4d3'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'state'
                            value: 'delivered'
                            language: 'en'
                            dependent_value: 'NULL'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '536c0b603cb1461ca3570f6d1f2daeaa'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'next_try'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '541a45005db0478f9b096e41cad11e05'
                        key: {
                            document_key: '8292b2c6d086430da6d15592e2506795'
                            variable: '74d6e7a0a3023110571967d1361e616b'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '55ce4a3c13c140e2a666b5fec396caf8'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'state'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '57b1ee3eb33c4ec09cb9661d7745d732'
                        key: {
                            document_key: '8292b2c6d086430da6d15592e2506795'
                            variable: 'c2eb56e853422110248dddeeff7b1261'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: '5917833f113847d5bee7ef946f66f964'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'why'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_security_acl_role'
                        id: '5b5a4b81f54c474e89d450453803f9c4'
                        key: {
                            sys_security_acl: 'e40785e82c844fa7ab8ad7b5dd7290f2'
                            sys_user_role: {
                                id: 'c509d216581c450383ac770cb8d2dcaf'
                                key: {
                                    name: 'admin'
                                }
                            }
                        }
                    },
                    {
                        table: 'sys_choice'
                        id: '5d824b0bbfbe4e44a45286009d809530'
                        key: {
                            name: 'sc_req_item'
                            element: 'x_rereg_mfa_identity_proof'
                            value: 'none'
                            language: 'en'
                            dependent_value: 'NULL'
                        }
                    },
                    {
                        table: 'item_option_new'
                        id: '606d1a375e324b6bbc24076ae748ee1a'
                        key: {
                            cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                            variable_set: 'NULL'
                            name: 'identity_proof'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '61e9685781b444d5987a29c913e6919a'
                        key: {
                            document_key: '332587ad86d44d6f86263c9eb9687d74'
                            variable: 'b86c0427531000109e02ddeeff7b1227'
                        }
                    },
                    {
                        table: 'sys_choice'
                        id: '6274897dc1ed4f4bb79917664263855c'
                        key: {
                            name: 'sc_req_item'
                            element: 'x_rereg_mfa_identity_proof'
                            value: 'in_person'
                            language: 'en'
                            dependent_value: 'NULL'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '651f260ac605436895159558c63b4cb9'
                        key: {
                            document_key: 'dfe8dfb8dd5949188820e39eefcfa579'
                            variable: '6f69fc4aff6433008d3f5d9ad53bf18c'
                        }
                    },
                    {
                        table: 'ua_table_licensing_config'
                        id: '676269ea067b44eb8397f35174c7033c'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '6f7f79cbcaaa4478b78966b2f39f9e0b'
                        key: {
                            document_key: 'c30905d2c93c4ab0b25abb0e61395cc2'
                            variable: '56e6bee65320220002c6435723dc34b9'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '7114df1c566b4566867edd189b1e4787'
                        key: {
                            document_key: 'c30905d2c93c4ab0b25abb0e61395cc2'
                            variable: 'ba62b4075320220002c6435723dc34b9'
                        }
                    },
                    {
                        table: 'question_choice'
                        id: '7252d9cd415b42389304a67aafaba5e7'
                        key: {
                            question: {
                                id: '606d1a375e324b6bbc24076ae748ee1a'
                                key: {
                                    cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                                    variable_set: 'NULL'
                                    name: 'identity_proof'
                                }
                            }
                            value: 'verified_id'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '72ba11e2c0de46f9b8c684d470704632'
                        key: {
                            document_key: 'df87a5f59df24fa6bb49e6f3268144ce'
                            variable: '6e55da4e53a0220002c6435723dc34a0'
                        }
                    },
                    {
                        table: 'question_choice'
                        id: '73c6f15eb58d42869e57ab21b579c827'
                        key: {
                            question: {
                                id: '606d1a375e324b6bbc24076ae748ee1a'
                                key: {
                                    cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                                    variable_set: 'NULL'
                                    name: 'identity_proof'
                                }
                            }
                            value: 'manager_callback'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '74494f0343d1466ea34de67f64041259'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'request_id'
                        }
                    },
                    {
                        table: 'sys_security_acl_role'
                        id: '74ec3bb1682441a5b99cc02734c2323c'
                        key: {
                            sys_security_acl: 'e6526887e0aa4fd0b535cc676b136471'
                            sys_user_role: {
                                id: '9046a8acbefb4e989ed48235585b2cea'
                                key: {
                                    name: 'x_rereg_mfa.desk'
                                }
                            }
                        }
                    },
                    {
                        table: 'sys_element_mapping'
                        id: '79b196b6f0794f64a6f4ee3238860842'
                        key: {
                            field: 'record_id'
                            table: 'var__m_atf_input_variable_5f2e0e535332120028bc29cac2dc34d3'
                            id: '63b69150526642ecb52a8414e0129f99'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '7b6bd46326884f268d15e566194e3ff4'
                        key: {
                            document_key: '04e3cf4cc1764659bcb65fb0cd65d859'
                            variable: '6619c7aa5320220002c6435723dc34e2'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '7c8f13bc3c6c41768384b9fde0d013a9'
                        key: {
                            document_key: '04e3cf4cc1764659bcb65fb0cd65d859'
                            variable: 'ba62b4075320220002c6435723dc34b9'
                        }
                    },
                    {
                        table: 'sys_index'
                        id: '831124236ce0449587cf3a2fcce1d090'
                        key: {
                            logical_table_name: 'x_rereg_mfa_outbox'
                            col_name_string: 'state,next_try'
                        }
                    },
                    {
                        table: 'question_choice'
                        id: '832f576bbf8d480999b631315d43ff5f'
                        key: {
                            question: {
                                id: '606d1a375e324b6bbc24076ae748ee1a'
                                key: {
                                    cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                                    variable_set: 'NULL'
                                    name: 'identity_proof'
                                }
                            }
                            value: 'none'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '8584c25d98ba4c4daae54c3f5cb6e0e0'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'why'
                        }
                    },
                    {
                        table: 'sc_cat_item_user_criteria_mtom'
                        id: '867ca593487c432e8c69db13125dcc37'
                        key: {
                            sc_cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                            user_criteria: '15b4af12e4e248d4be8b96ac1de2c4cb'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '86b65a71840a4ad9a2dde0939af05595'
                        key: {
                            document_key: '8292b2c6d086430da6d15592e2506795'
                            variable: 'b124164e53a0220002c6435723dc34c5'
                        }
                    },
                    {
                        table: 'sys_choice'
                        id: '87ab3f3a4aba4c08b790e6179e68b597'
                        key: {
                            name: 'sc_req_item'
                            element: 'x_rereg_mfa_identity_proof'
                            value: 'manager_callback'
                            language: 'en'
                            dependent_value: 'NULL'
                        }
                    },
                    {
                        table: 'sys_element_mapping'
                        id: '88042729bbf2470b852faf195ca618da'
                        key: {
                            field: 'record_id'
                            table: 'var__m_atf_input_variable_5f2e0e535332120028bc29cac2dc34d3'
                            id: 'df87a5f59df24fa6bb49e6f3268144ce'
                        }
                    },
                    {
                        table: 'sys_choice_set'
                        id: '8901b01f87af4ca0a752e111102ed32f'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'state'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '8a9d3b5b29324bc98ed3621cb6432e49'
                        key: {
                            document_key: '63b69150526642ecb52a8414e0129f99'
                            variable: '17d732a9c7a333005e5c45b881c26007'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '8b4b9f4fbf7042d3ada8d2b5d772fe37'
                        key: {
                            document_key: '04e3cf4cc1764659bcb65fb0cd65d859'
                            variable: 'bc43e004c76733005e5c45b881c26046'
                        }
                    },
                    {
                        table: 'sys_db_object'
                        id: '8c9359b382ef48ff903692d28430d287'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                        }
                    },
                    {
                        table: 'sys_choice'
                        id: '8ceba1f222eb47fd9ca363251aa6349d'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'state'
                            value: 'failed'
                            language: 'en'
                            dependent_value: 'NULL'
                        }
                    },
                    {
                        table: 'sys_user_role'
                        id: '9046a8acbefb4e989ed48235585b2cea'
                        key: {
                            name: 'x_rereg_mfa.desk'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: '940730c4956644669a3dc6a3bf0f48a9'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'body'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '989bc0d379304f17a1432a1bbb0557a2'
                        key: {
                            document_key: 'df87a5f59df24fa6bb49e6f3268144ce'
                            variable: 'c2eb56e853422110248dddeeff7b1261'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: '9ee11f348181499c80b64cc2ae59e1df'
                        key: {
                            document_key: '177c738d38764b1b9b075b7a27063239'
                            variable: '8c07aba5ff6033008d3f5d9ad53bf13b'
                        }
                    },
                    {
                        table: 'sys_choice_set'
                        id: '9f680aa4c4bd4851b2650b52fd21b6b5'
                        key: {
                            name: 'sc_req_item'
                            element: 'x_rereg_mfa_identity_proof'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'a1e82e6e935f4476bad0caf6c2213b07'
                        key: {
                            document_key: 'dfe8dfb8dd5949188820e39eefcfa579'
                            variable: 'b27b2b29ff6033008d3f5d9ad53bf164'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'a6d5f6c327014a4c91fc64b7f37b7a5b'
                        key: {
                            document_key: '6f4adaa009c84086834458ca582f4225'
                            variable: '9024a37f671003007ba405225685efe5'
                        }
                    },
                    {
                        table: 'sys_security_acl_role'
                        id: 'a8e5b937016a438f939e2d9fdc26b774'
                        key: {
                            sys_security_acl: 'bd91d4aa6fe34a1b814441f826aa56f4'
                            sys_user_role: {
                                id: 'c509d216581c450383ac770cb8d2dcaf'
                                key: {
                                    name: 'admin'
                                }
                            }
                        }
                    },
                    {
                        table: 'sys_choice'
                        id: 'aadac6c9529d4a9a8b6423a6b3f1de15'
                        key: {
                            name: 'sc_req_item'
                            element: 'x_rereg_mfa_identity_proof'
                            value: 'verified_id'
                            language: 'en'
                            dependent_value: 'NULL'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: 'ac6904937f0a4582bb0ec3126baddfea'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'tries'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'ad06da7bd01b47c096c76ac9bf7f54ea'
                        key: {
                            document_key: '5c9c39d82ac648f69f02dbea377db7dc'
                            variable: 'e6e3c7535320220002c6435723dc3496'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'af3a85e4986e4a6095393de03ca75232'
                        key: {
                            document_key: '63b69150526642ecb52a8414e0129f99'
                            variable: '74d6e7a0a3023110571967d1361e616b'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'b3ae0f9e9c30468a96b467a10c28fc70'
                        key: {
                            document_key: 'c30905d2c93c4ab0b25abb0e61395cc2'
                            variable: '6619c7aa5320220002c6435723dc34e2'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'b536861be66c435fbb9201dacf4cdd89'
                        key: {
                            document_key: '06f0b81b2f75452e8478f424f9dbc481'
                            variable: '51547e3953212110248dddeeff7b126b'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'b99fc83e575f46508e2e6e61738f00f6'
                        key: {
                            document_key: 'df87a5f59df24fa6bb49e6f3268144ce'
                            variable: 'b124164e53a0220002c6435723dc34c5'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'bc7898b8f0894cd7980d282917a49587'
                        key: {
                            document_key: '332587ad86d44d6f86263c9eb9687d74'
                            variable: '02fb0027531000109e02ddeeff7b120b'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: 'bf758e278b2e4a929bdc1cb0039f6b15'
                        key: {
                            name: 'sc_req_item'
                            element: 'x_rereg_mfa_identity_proof'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'c1d46211b37a4a9f9be0bc070ae281ac'
                        key: {
                            document_key: '332587ad86d44d6f86263c9eb9687d74'
                            variable: '78b8d86b531000109e02ddeeff7b12f3'
                        }
                    },
                    {
                        table: 'sys_security_acl_role'
                        id: 'c2964dd326724e38979f9afd09fe2258'
                        key: {
                            sys_security_acl: '3743a675112749fca7a4361d097ca679'
                            sys_user_role: {
                                id: 'c509d216581c450383ac770cb8d2dcaf'
                                key: {
                                    name: 'admin'
                                }
                            }
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'c2d315a5a6a34ef8baf17fe0790eeb34'
                        key: {
                            document_key: '6f4adaa009c84086834458ca582f4225'
                            variable: '90144b535320220002c6435723dc3488'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: 'c3c8b90481f04fbdb3a7f7ef71141be7'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'event_id'
                        }
                    },
                    {
                        table: 'question_choice'
                        id: 'c4e948e689954f3b917b43085e85ebf7'
                        key: {
                            question: {
                                id: '606d1a375e324b6bbc24076ae748ee1a'
                                key: {
                                    cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                                    variable_set: 'NULL'
                                    name: 'identity_proof'
                                }
                            }
                            value: 'in_person'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'c56d340a29b149f88e440ac29850cd32'
                        key: {
                            document_key: '6f4adaa009c84086834458ca582f4225'
                            variable: 'dd54cf535320220002c6435723dc34fd'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'c898838f536e4c0a918e8504b26b5d1e'
                        key: {
                            document_key: '8292b2c6d086430da6d15592e2506795'
                            variable: '17d732a9c7a333005e5c45b881c26007'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'c978d002c86d4f01bbecbd2248a8f2d6'
                        key: {
                            document_key: '63b69150526642ecb52a8414e0129f99'
                            variable: 'c2eb56e853422110248dddeeff7b1261'
                        }
                    },
                    {
                        table: 'ua_table_licensing_config'
                        id: 'ce440f20715c4d1b957c41b07381f6a5'
                        key: {
                            name: 'sc_req_item'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'ce7cc8d0e30c49bdb32140ad891fb4c3'
                        key: {
                            document_key: '177c738d38764b1b9b075b7a27063239'
                            variable: '1985e0ceff2433008d3f5d9ad53bf1ba'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: 'cf759d39f4b04647839eddd4fc67b7cb'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'ticket'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_dictionary'
                        id: 'd1852eab0afb4abb89700237fcf93f49'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'ticket'
                        }
                    },
                    {
                        table: 'sys_db_object'
                        id: 'd2080e08738e4806aa65bbab5dd6f04e'
                        key: {
                            name: 'sc_req_item'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: 'd88ed311a4274f2499a4f5dfa73bc86b'
                        key: {
                            name: 'sc_req_item'
                            element: 'x_rereg_mfa_identity_proof'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'db60082ea7a546428d818fe47ec04ba3'
                        key: {
                            document_key: 'dfe8dfb8dd5949188820e39eefcfa579'
                            variable: 'ff06ab840f20101091d0f00c97767e6d'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'df40a222db124168ad23201ed6a5ac15'
                        key: {
                            document_key: '332587ad86d44d6f86263c9eb9687d74'
                            variable: '915990ab531000109e02ddeeff7b12f8'
                        }
                    },
                    {
                        table: 'sys_index'
                        id: 'dfe022a662df4a56987c1657b227fd74'
                        key: {
                            logical_table_name: 'x_rereg_mfa_outbox'
                            col_name_string: 'event_id'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'e0ecc8a5c19f4b6dadea1e9c2a188191'
                        key: {
                            document_key: 'dfe8dfb8dd5949188820e39eefcfa579'
                            variable: '1778a7480f20101091d0f00c97767e03'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'e1a784e9cbf24eca887522e313aaebff'
                        key: {
                            document_key: 'dfe8dfb8dd5949188820e39eefcfa579'
                            variable: '98c44875ffa033008d3f5d9ad53bf1fa'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'e39fb47e47cf4c9bab51594c527fb1d6'
                        key: {
                            document_key: '63b69150526642ecb52a8414e0129f99'
                            variable: 'ad351a4e53a0220002c6435723dc34f0'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'e56841606f6c4df0b1009faeb5776bc8'
                        key: {
                            document_key: '63b69150526642ecb52a8414e0129f99'
                            variable: 'b124164e53a0220002c6435723dc34c5'
                        }
                    },
                    {
                        table: 'sys_user_role'
                        id: 'e60b42ffb47c4ccfb46b67a26f7a58cb'
                        key: {
                            name: 'x_rereg_mfa.integration'
                        }
                    },
                    {
                        table: 'sys_documentation'
                        id: 'e8eed32717af4a82b84881575f35b122'
                        key: {
                            name: 'x_rereg_mfa_outbox'
                            element: 'body'
                            language: 'en'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'ec6735a3b2e44780a336c209cd6dcc5e'
                        key: {
                            document_key: '06f0b81b2f75452e8478f424f9dbc481'
                            variable: '3eee292353e0220002c6435723dc343c'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'ef274c4b9fec4866a2374affc131a354'
                        key: {
                            document_key: 'dfe8dfb8dd5949188820e39eefcfa579'
                            variable: '1985e0ceff2433008d3f5d9ad53bf1ba'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'efa25f72634c4a949055e48fabf59f0d'
                        key: {
                            document_key: '06f0b81b2f75452e8478f424f9dbc481'
                            variable: '7600f16353e0220002c6435723dc34d5'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'f0b0f828f0354a28b8edf66d9345ff3c'
                        key: {
                            document_key: '06f0b81b2f75452e8478f424f9dbc481'
                            variable: '334ea2f153212110248dddeeff7b1255'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'f0fa1ba1783b464a8337c51382e9b068'
                        key: {
                            document_key: '8292b2c6d086430da6d15592e2506795'
                            variable: 'ad351a4e53a0220002c6435723dc34f0'
                        }
                    },
                    {
                        table: 'item_option_new'
                        id: 'f1b77a692c11466ea60884a1a7d5e2e6'
                        key: {
                            cat_item: 'c7dbe72b708c44db9f0f47b6d8913c4d'
                            variable_set: 'NULL'
                            name: 'requested_for'
                        }
                    },
                    {
                        table: 'sys_variable_value'
                        id: 'f6d7b8c131db4de09b17828631d83413'
                        key: {
                            document_key: '5c9c39d82ac648f69f02dbea377db7dc'
                            variable: '90144b535320220002c6435723dc3488'
                        }
                    },
                ]
            }
        }
    }
}
